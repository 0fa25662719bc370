//! `#[derive(Aggregate)]`.

use super::fallback::{blanket_header, error_type, header};
use super::{anonymous, event_set, listed, private};
use crate::attr::Variant;
use crate::ctxt::Ctxt;
use crate::valid::{self, Aggregate, Checked};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Path, Token};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let aggregate = valid::aggregate(&cx, input);
    let event_enum = &aggregate.event_enum;
    let (events, variants) = match &aggregate.events {
        Checked::Good(variants) => (
            event_enum_of(input, event_enum, variants, &aggregate.krate),
            variants.as_slice(),
        ),
        Checked::Bad => {
            let (vis, error) = (&input.vis, error_type(&cx, &aggregate.krate));
            (quote!(#vis type #event_enum = #error;), [].as_slice())
        }
    };
    let id = match (&aggregate.id, &aggregate.events) {
        (Checked::Good(id), _) => id.to_token_stream(),
        (Checked::Bad, Checked::Good(_)) => error_type(&cx, &aggregate.krate),
        // The enum is an error already.
        (Checked::Bad, Checked::Bad) => quote!(#event_enum),
    };
    let is_union = matches!(input.data, Data::Union(_));
    let code = if is_union || !input.generics.params.is_empty() {
        let (this, applies) = (fallback(&aggregate, &id), applies(&aggregate));
        quote!(#this #applies)
    } else {
        let (this, test) = (impls(&aggregate, &id, variants), free_test(&aggregate));
        quote!(#this #test)
    };
    let errors = cx.into_tokens();
    quote!(#errors #events #code)
}

/// The enum of the events of an aggregate or a decision model.
pub(super) fn event_enum_of(
    input: &DeriveInput,
    event_enum: &Ident,
    variants: &[Variant],
    krate: &Path,
) -> TokenStream {
    let private = private(krate);
    let vis = &input.vis;
    let doc = format!("The events of [`{}`].", input.ident);
    let idents: Vec<_> = variants.iter().map(|variant| &variant.ident).collect();
    let types: Vec<_> = variants.iter().map(|variant| &variant.ty).collect();
    let docs = types.iter().map(|ty| format!("[`{}`].", valid::text(ty)));
    let impls = event_set::impls(event_enum, variants, krate);
    // Not the derives of `Debug` and `Clone`: each would have an error of its own for a listed type
    // that is no event, as such a type often has neither. What is printed is the event alone, since
    // the variant's name says the same.
    let traits = anonymous(&quote! {
        #[automatically_derived]
        impl #private::Debug for #event_enum {
            fn fmt(&self, __f: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                #krate::EventSet::__fmt(self, __f)
            }
        }

        #[automatically_derived]
        impl #private::Clone for #event_enum {
            fn clone(&self) -> Self {
                #krate::EventSet::__clone(self)
            }
        }
    });
    quote! {
        #[doc = #doc]
        #[allow(clippy::large_enum_variant, clippy::enum_variant_names)]
        #vis enum #event_enum {
            #(#[doc = #docs] #idents(#types),)*
        }

        #traits
        #impls
    }
}

fn impls(aggregate: &Aggregate<'_>, id: &TokenStream, variants: &[Variant]) -> TokenStream {
    let Aggregate {
        input,
        krate,
        name,
        event_enum,
        ..
    } = aggregate;
    let private = private(krate);
    let ident = &input.ident;
    let apply = apply_event(event_enum, aggregate.apply_enum, variants, krate);
    let applies = if !aggregate.is_whole {
        // Where a part of the list is missing, what is handled is nobody's question.
        applies(aggregate)
    } else {
        applied(ident, event_enum, aggregate.apply_enum, variants, krate)
    };
    // The type stands where rustc says that it has no `Default`.
    let this = Token![Self](ident.span());
    let type_name = ident.to_string();
    let registration = (!variants.is_empty()).then(|| {
        quote! {
            #private::inventory::submit! {
                #private::AggregateRegistration::new::<#ident>(
                    #private::concat!(#private::module_path!(), "::", #type_name),
                )
            }
        }
    });
    anonymous(&quote! {
        #[automatically_derived]
        impl #krate::aggregate::Fold for #ident {
            type Event = #event_enum;

            #apply
        }

        #[automatically_derived]
        impl #krate::Aggregate for #ident {
            const NAME: &'static #private::str = #name;
            type Id = #id;

            fn initial() -> Self {
                <#this as #private::Default>::default()
            }
        }

        #applies

        #registration
    })
}

/// The function that dispatches an event to its handler.
pub(super) fn apply_event(
    event_enum: &Ident,
    apply_enum: Option<Span>,
    variants: &[Variant],
    krate: &Path,
) -> TokenStream {
    let body = match (apply_enum, variants) {
        (_, []) => TokenStream::new(),
        (Some(span), _) => call_of_apply(krate, &quote!(#event_enum), span),
        (None, _) => {
            let arms = variants.iter().map(|Variant { ident: variant, ty }| {
                let apply = call_of_apply(krate, &quote!(#ty), ty.span());
                quote!(#event_enum::#variant(__event) => #apply,)
            });
            quote!(match __event { #(#arms)* })
        }
    };
    quote! {
        fn apply_event(&mut self, __event: #event_enum) {
            #body
        }
    }
}

/// That a type applies each of its events, or the enum of them.
pub(super) fn applied(
    ident: &Ident,
    event_enum: &Ident,
    apply_enum: Option<Span>,
    variants: &[Variant],
    krate: &Path,
) -> TokenStream {
    let applies = quote!(#krate::aggregate::Applies);
    if apply_enum.is_some() {
        let event_enum = syn::parse_quote!(#event_enum);
        return listed::listings(ident, &applies, [&event_enum].into_iter());
    }
    listed::listings(ident, &applies, variants.iter().map(|variant| &variant.ty))
}

/// The call of the handler of an event, or of all of them.
///
/// Two tokens carry the span of what is handled, not the whole call: rustc blames `Self` for a missing `Apply`, and
/// go-to-definition on the event also finds `apply`, its handler.
fn call_of_apply(krate: &Path, event: &TokenStream, span: Span) -> TokenStream {
    let (this, apply) = (Token![Self](span), Ident::new("apply", span));
    quote!(<#this as #krate::Apply<#event>>::#apply(self, __event))
}

/// Lets an aggregate handle whatever it does, where the list of its events could not be read.
fn applies(aggregate: &Aggregate<'_>) -> TokenStream {
    applies_all(aggregate.input, &aggregate.krate)
}

/// Lets a type handle whatever it does.
pub(super) fn applies_all(input: &DeriveInput, krate: &Path) -> TokenStream {
    let private = private(krate);
    let header = blanket_header(
        &quote!(#krate::aggregate::Applies),
        &quote!(#private::Sized),
        &input.ident,
        &input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {}
    }
}

/// The impls for an aggregate that was refused for being generic, or a union.
fn fallback(aggregate: &Aggregate<'_>, id: &TokenStream) -> TokenStream {
    let (krate, event_enum) = (&aggregate.krate, &aggregate.event_enum);
    let private = private(krate);
    let header = |implemented| {
        header(
            &implemented,
            &quote!(#private::Send + #private::Sync + 'static),
            &aggregate.input.ident,
            &aggregate.input.generics,
        )
    };
    let (fold, this) = (
        header(quote!(#krate::aggregate::Fold)),
        header(quote!(#krate::Aggregate)),
    );
    quote! {
        #[automatically_derived]
        #fold {
            type Event = #event_enum;

            fn apply_event(&mut self, _: #event_enum) {}
        }

        #[automatically_derived]
        #this {
            const NAME: &'static #private::str = "";
            type Id = #id;

            fn initial() -> Self {
                #private::refused()
            }
        }
    }
}

/// The test that users get for free: no types of the program contradict each other.
///
/// At the module's level, because tests anywhere else are not run.
fn free_test(aggregate: &Aggregate<'_>) -> TokenStream {
    let private = private(&aggregate.krate);
    let ident = aggregate.input.ident.unraw();
    let name = format_ident!("{}_events_are_consistent", snake(&ident.to_string()));
    // In a module of its own, as only there the `allow` reaches what `#[test]` makes of the function:
    // an aggregate inside a function has a test that is not run, and should not be warned of.
    quote! {
        #[cfg(test)]
        #[doc(hidden)]
        #[allow(non_snake_case, unnameable_test_items, unused_imports)]
        mod #name {
            use super::*;

            #[#private::test]
            fn over_the_program() {
                #private::assert_linked_events_are_consistent();
            }
        }
    }
}

/// `UserAccount` to `user_account`.
fn snake(ident: &str) -> String {
    let mut out = String::new();
    let mut after_lowercase = false;
    for c in ident.chars() {
        if c.is_uppercase() && after_lowercase {
            out.push('_');
        }
        after_lowercase = !c.is_uppercase() && c != '_';
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::snake;

    #[test]
    fn the_free_test_is_called_as_rust_calls_functions() {
        assert_eq!(snake("UserAccount"), "user_account");
        assert_eq!(snake("HTTPSession"), "httpsession");
        assert_eq!(snake("V2Order"), "v2_order");
    }
}
