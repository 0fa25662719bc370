use crate::attr::{self, AggregateAttrs};
use crate::ctxt::Ctxt;
use crate::expand::event_set;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{DeriveInput, Token, Visibility};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::new();
    let attrs = attr::aggregate(&cx, &input.attrs);
    let ident = &input.ident;
    if !input.generics.params.is_empty() {
        cx.error(
            &input.generics,
            "an aggregate cannot be generic: its stream name stands for one type",
        );
    }
    require(&cx, ident, attrs.name.is_some(), "name = \"...\"");
    require(&cx, ident, attrs.id.is_some(), "id = SomeId");
    require(
        &cx,
        ident,
        !attrs.events.is_empty(),
        "events(SomeEvent, ..)",
    );
    check_variants(&cx, &attrs);
    if let Err(errors) = cx.check() {
        return errors;
    }
    emit(ident, &input.vis, &attrs, true)
}

fn require(cx: &Ctxt, at: &Ident, present: bool, key: &str) {
    if !present {
        cx.error(at, format_args!("missing `{key}` in `#[aggregate(..)]`"));
    }
}

pub(crate) fn check_variants(cx: &Ctxt, attrs: &AggregateAttrs) {
    for (i, v) in attrs.events.iter().enumerate() {
        let Some(first) = attrs.events[..i].iter().find(|w| w.ident == v.ident) else {
            continue;
        };
        if first.ty.to_token_stream().to_string() == v.ty.to_token_stream().to_string() {
            cx.error(&v.ty, format_args!("event `{}` is listed twice", v.ident));
        } else {
            cx.error(
                &v.ty,
                format_args!(
                    "two events would be the variant `{0}`; name one: `Other{0} = {1}`",
                    v.ident,
                    v.ty.to_token_stream().to_string().replace(' ', "")
                ),
            );
        }
    }
}

pub(crate) fn emit(
    ident: &Ident,
    vis: &Visibility,
    attrs: &AggregateAttrs,
    doc: bool,
) -> TokenStream {
    let krate = &attrs.krate;
    let private = attr::private(krate);
    let (name, id) = (&attrs.name, &attrs.id);
    let event = attrs
        .event_enum
        .clone()
        .unwrap_or_else(|| format_ident!("{ident}Event"));
    let variants = attrs.events.iter().map(|v| {
        let (variant, ty) = (&v.ident, &v.ty);
        let doc = format!("[`{}`]", ty.to_token_stream().to_string().replace(' ', ""));
        quote!(#[doc = #doc] #variant(#ty))
    });
    let arms = attrs.events.iter().map(|v| {
        let (variant, ty) = (&v.ident, &v.ty);
        // Two tokens carry the event's span, not the whole line: rustc blames `Self` for a missing
        // `Apply`, and go-to-definition on the event also finds `apply`, its handler.
        let (this, apply) = (Token![Self](ty.span()), Ident::new("apply", ty.span()));
        quote!(#event::#variant(event) => <#this as #krate::Apply<#ty>>::#apply(self, event))
    });
    let enum_doc = doc.then(|| {
        let text = format!("The events of [`{ident}`].");
        quote!(#[doc = #text])
    });
    let impls = event_set::impls(&event, &attrs.events, krate);
    quote! {
        #enum_doc
        #[derive(#private::Debug, #private::Clone)]
        #vis enum #event { #(#variants,)* }

        #impls

        #[automatically_derived]
        impl #krate::Aggregate for #ident {
            const NAME: &'static #private::str = #name;
            type Id = #id;
            type Event = #event;

            fn apply_event(&mut self, event: #event) {
                match event { #(#arms,)* }
            }
        }
    }
}
