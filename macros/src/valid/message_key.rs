//! The field whose value is the key of a message.

use crate::attr::{list, nearest};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::{Fields, Member, Type};

/// A field whose value is the key of a message.
pub(crate) struct MessageKey<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
}

pub(super) fn find<'a>(
    cx: &Ctxt,
    ident: &Ident,
    key: Option<&Member>,
    fields: &'a Fields,
) -> Option<MessageKey<'a>> {
    let key = key?;
    let mut all = fields.iter().zip(fields.members());
    if let Some((field, member)) = all.find(|(_, member)| name(member) == name(key)) {
        return Some(MessageKey {
            member,
            ty: &field.ty,
        });
    }
    let known: Vec<_> = fields.members().map(|member| name(&member)).collect();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let word = name(key);
    let message = match nearest(&word, known.iter().copied()) {
        _ if known.is_empty() => {
            format!("`{ident}` has no fields: remove `key`")
        }
        Some(nearest) => format!("`{ident}` has no field `{word}`: did you mean `{nearest}`?"),
        None => format!("`{ident}` has no field `{word}`; it has {}", list(&known)),
    };
    cx.error(key, message);
    None
}

/// Without `r#`.
fn name(member: &Member) -> String {
    match member {
        Member::Named(ident) => ident.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}
