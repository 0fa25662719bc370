//! The rules on the id of an aggregate.

use super::{refuse_generics, refuse_inner};
use crate::attr;
use crate::ctxt::Ctxt;
use syn::{Data, DeriveInput, Member, Path, Type};

/// What `#[derive(AggregateId)]` has to generate.
pub(crate) struct AggregateId<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    /// The only field; `None` where the type was refused.
    pub(crate) inner: Option<(Member, &'a Type)>,
}

pub(crate) fn aggregate_id<'a>(cx: &Ctxt, input: &'a DeriveInput) -> AggregateId<'a> {
    let krate = attr::aggregate_id(cx, &input.attrs);
    refuse_inner(cx, &input.data, "aggregate_id");
    refuse_generics(
        cx,
        &input.generics,
        "the id of an aggregate cannot be generic: write a separate type for each aggregate",
    );
    let inner = match &input.data {
        Data::Struct(data) => {
            let mut fields = data.fields.members().zip(&data.fields);
            match (fields.next(), fields.next()) {
                (Some((member, field)), None) => Some((member, &field.ty)),
                _ => None,
            }
        }
        Data::Enum(_) | Data::Union(_) => None,
    };
    if inner.is_none() {
        let ident = &input.ident;
        cx.error(
            ident,
            format_args!(
                "`AggregateId` can only be derived for a struct with one field: write `struct {ident}(u64);`, \
                 or implement `Display` and `FromStr` by hand"
            ),
        );
    }
    AggregateId {
        input,
        krate,
        inner: inner.filter(|_| input.generics.params.is_empty()),
    }
}
