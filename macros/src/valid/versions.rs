//! The rules on the version of a payload, and on the version before it.

use super::Checked;
use crate::attr::Key;
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::{LitInt, Path};

/// How mistakes of events and of commands are told.
pub(super) struct Words {
    one: &'static str,
    /// What earlier versions have done.
    has: &'static str,
}

pub(super) const EVENT: Words = Words {
    one: "an event",
    has: "stored",
};

pub(super) const COMMAND: Words = Words {
    one: "a command",
    has: "sent",
};

/// The version; `keys` are `version` and `upcast_from`.
pub(super) fn version(
    cx: &Ctxt,
    ident: &Ident,
    Words { one, has }: &Words,
    (version, upcast_from): (&Key<LitInt>, &Key<Path>),
    complete: bool,
) -> Checked<u32> {
    let Some(literal) = &version.value else {
        if version.seen || !complete {
            return Checked::Bad;
        }
        if let Some(previous) = &upcast_from.value {
            cx.error(
                previous,
                format_args!(
                    "{one} that is upcast from another has a version above 1: write `version = 2`"
                ),
            );
            return Checked::Bad;
        }
        return Checked::Good(1);
    };
    let Some(version) = number(cx, literal) else {
        return Checked::Bad;
    };
    match &upcast_from.value {
        Some(previous) if previous.is_ident(ident) || previous.is_ident("Self") => {
            cx.error(
                previous,
                format_args!(
                    "{one} cannot be upcast from itself: keep the struct of the previous version under \
                     another name, and write that name here"
                ),
            );
            Checked::Bad
        }
        Some(previous) if version == 1 => {
            cx.error(
                previous,
                "version 1 is the first, so there is nothing to upcast from: write `version = 2`, \
                 or remove `upcast_from`",
            );
            Checked::Bad
        }
        None if version > 1 && complete && !upcast_from.seen => {
            let (before, plain) = (version - 1, ident.unraw());
            cx.error(
                literal,
                format_args!(
                    "version {version} cannot read what version {before} has {has}: keep the struct \
                     of version {before} and write `upcast_from = {plain}V{before}`"
                ),
            );
            Checked::Good(version)
        }
        _ => Checked::Good(version),
    }
}

/// A version as it is written; `None` when it is refused.
pub(super) fn number(cx: &Ctxt, literal: &LitInt) -> Option<u32> {
    match literal.base10_parse::<u32>() {
        Ok(0) => cx.error(
            literal,
            "versions count from 1: write `version = 1`, or remove `version`",
        ),
        Ok(version) => return Some(version),
        Err(_) => cx.error(
            literal,
            format_args!(
                "a version is a whole number from 1 to {}: write `version = 2`",
                u32::MAX
            ),
        ),
    }
    None
}
