//! Called by the derives of views and projections. Not public API.
#![allow(missing_docs, missing_debug_implementations)]

use crate::projection::ViewDefinition;
use crate::view::View;

/// Checks that two variants of a key, in declaration order, have numbers that sort the same way.
///
/// # Panics
/// When they do not, which is while the program is compiled.
#[track_caller]
pub const fn assert_in_order(is_in_order: bool) {
    assert!(
        is_in_order,
        "the variants of a key are sorted in the order of their declaration: move this variant to where its number belongs"
    );
}

/// A view, seen from generated code, as `OneEvent` is an event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view",
    label = "this type does not implement `View`",
    note = "add `#[derive(Serialize, Deserialize, View)]` and `#[view(key = ..)]` to `{Self}`"
)]
pub trait OneView {
    const NAME: &'static str;
    fn definition() -> ViewDefinition;
}

#[diagnostic::do_not_recommend]
impl<V: View> OneView for V {
    const NAME: &'static str = V::NAME;

    fn definition() -> ViewDefinition {
        ViewDefinition::of::<V>()
    }
}

#[diagnostic::on_unimplemented(
    message = "view `{Self}` has the same name as an earlier view of projection `{P}`",
    label = "two views of one name would share one table",
    note = "give `{Self}` another name: `#[view(name = \"..\", ..)]`"
)]
pub trait OneTable<P, const OK: bool> {
    const HOLDS: () = ();
}
impl<V, P> OneTable<P, true> for V {}

/// Stands for the views of a projection without views.
pub struct NoView;
