//! `#[derive(DecisionModel)]`.

use super::aggregate::{applied, applies_all, apply_event, event_enum_of};
use super::fallback::{error_type, header};
use super::{anonymous, private, respanned};
use crate::attr::Variant;
use crate::ctxt::Ctxt;
use crate::valid::{self, Checked, DecisionModel, ModelField};
use proc_macro2::{Delimiter, Group, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Ident, Member};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let model = valid::decision_model(&cx, input);
    let (event_enum, krate) = (&model.event_enum, &model.krate);
    let events = match &model.events {
        Checked::Good(variants) => event_enum_of(input, event_enum, variants, krate),
        Checked::Bad => {
            let (vis, error) = (&input.vis, error_type(&cx, krate));
            quote!(#vis type #event_enum = #error;)
        }
    };
    let code = match &model.events {
        Checked::Good(variants) if model.sound => impls(&model, variants),
        _ => fallback(&model),
    };
    let errors = cx.into_tokens();
    quote!(#errors #events #code)
}

fn impls(model: &DecisionModel<'_>, variants: &[Variant]) -> TokenStream {
    let DecisionModel {
        input,
        krate,
        event_enum,
        apply_enum,
        fields,
        ..
    } = model;
    let (ident, private) = (&input.ident, private(krate));
    let apply = apply_event(event_enum, *apply_enum, variants, krate);
    let applied = applied(ident, event_enum, *apply_enum, variants, krate);
    let (of, checks) = (of(model), checks(model, variants));
    let tags = fields.iter().filter_map(|field| {
        let (key, member, model_tag) = (field.tag.as_ref()?, &field.member, role(field, &private));
        Some(quote!((#key, #model_tag::text(&self.#member))))
    });
    let copy = |field: &ModelField<'_>| {
        let (member, role) = (&field.member, role(field, &private));
        quote!(#role::copy(&self.#member))
    };
    let copies = fields.iter().map(|field| {
        let (member, copy) = (&field.member, copy(field));
        quote!(#member: #copy)
    });
    let tag_copies = fields.iter().filter(|field| field.tag.is_some()).map(copy);
    anonymous(&quote! {
        #of

        #[automatically_derived]
        impl #krate::aggregate::Fold for #ident {
            type Event = #event_enum;

            #apply
        }

        #[automatically_derived]
        impl #krate::aggregate::State for #ident {
            type Decided = #krate::event::DecidedEvent;

            fn __take(&mut self, __event: #krate::event::DecidedEvent) {
                #private::take_decided(self, &__event);
            }

            fn __take_own(&mut self, __event: &#krate::event::DecidedEvent) {
                #private::take_decided(self, __event);
            }
        }

        #[automatically_derived]
        impl #private::Tagged for #ident {
            fn tags(&self) -> #private::Vec<(&'static #private::str, #private::String)> {
                #private::vec![#(#tags),*]
            }
        }

        #[automatically_derived]
        impl #krate::DecisionModel for #ident {
            fn items(&self) -> #private::Vec<#krate::store::QueryItem> {
                #private::items(self)
            }

            fn __parts(&mut self) -> #private::Vec<&mut dyn #private::Part> {
                #private::vec![self]
            }

            fn __initial(&self) -> Self {
                Self::of(#(#tag_copies),*)
            }

            fn __copy(&self) -> Self {
                Self { #(#copies),* }
            }
        }

        #applied

        #checks
    })
}

/// The trait of what a field is for. The type's tokens carry the blame where it lacks something.
fn role(field: &ModelField<'_>, private: &TokenStream) -> TokenStream {
    let (ty, span) = (field.ty, field.ty.span());
    let role = match &field.tag {
        Some(_) => quote_spanned!(span=> #private::ModelTag),
        None => quote_spanned!(span=> #private::ModelField),
    };
    quote_spanned!(span=> <#ty as #role>)
}

/// The function that creates a model of its tags.
fn of(model: &DecisionModel<'_>) -> TokenStream {
    let (ident, vis) = (&model.input.ident, &model.input.vis);
    let private = private(&model.krate);
    let tags = || model.fields.iter().filter(|field| field.tag.is_some());
    let (names, types): (Vec<_>, Vec<_>) = tags().map(|field| (name(field), field.ty)).unzip();
    let values = model.fields.iter().map(|field| {
        let member = &field.member;
        let value = match &field.tag {
            Some(_) => {
                let name = name(field);
                quote!(#name)
            }
            None => {
                let role = role(field, &private);
                quote!(#role::initial())
            }
        };
        quote!(#member: #value)
    });
    let doc = if names.is_empty() {
        "Creates the model before its first event: every field has its default."
    } else {
        "Creates the model of these tags, before its first event: every other field has its default."
    };
    quote! {
        impl #ident {
            #[doc = #doc]
            #[must_use]
            #[allow(dead_code)]
            #vis fn of(#(#names: #types),*) -> Self {
                Self { #(#values),* }
            }
        }
    }
}

/// The name of a tag's parameter.
fn name(field: &ModelField<'_>) -> Ident {
    match &field.member {
        Member::Named(name) => name.clone(),
        Member::Unnamed(index) => format_ident!("tag_{}", index.index),
    }
}

/// That each event carries one of the tags, and that a tag is of one type. A panic of a const lands where its call begins and
/// ends: on the event in the list.
fn checks(model: &DecisionModel<'_>, variants: &[Variant]) -> TokenStream {
    let (krate, private) = (&model.krate, private(&model.krate));
    let this = model.input.ident.to_string();
    let tags = || {
        let fields = model.fields.iter();
        fields.filter_map(|field| Some((field.tag.as_ref()?, field.ty)))
    };
    if tags().next().is_none() {
        return TokenStream::new();
    }
    let checks = variants.iter().map(|Variant { ty, .. }| {
        let own = quote!(<#ty as #krate::EventSet>::__TAGS);
        let tags = tags().map(|(key, of)| {
            let text = valid::text(of);
            let there = quote!(<#ty as #private::TagAt<{ #private::tag_at(#own, #key) }>>::Field);
            quote!((#key, #text, #private::Same::<#of, #there>::IS))
        });
        let event = valid::text(ty);
        let call = respanned(&quote!(#private::assert_tagged), ty.span());
        let arguments = quote!(#this, #event, #own, &[#(#tags),*]);
        let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
        arguments.set_span(ty.span());
        quote!(const _: () = #call #arguments;)
    });
    quote! {
        #[allow(unused_imports)]
        use #private::NotSame as _;
        #(#checks)*
    }
}

/// What stands in for the impls after a mistake.
fn fallback(model: &DecisionModel<'_>) -> TokenStream {
    let DecisionModel {
        input,
        krate,
        event_enum,
        ..
    } = model;
    if matches!(input.data, Data::Union(_)) {
        return applies_all(input, krate);
    }
    let private = private(krate);
    let bound = quote!(#private::Send + #private::Sync + 'static);
    let header = |implemented| header(&implemented, &bound, &input.ident, &input.generics);
    let (fold, state) = (
        header(quote!(#krate::aggregate::Fold)),
        header(quote!(#krate::aggregate::State)),
    );
    let this = header(quote!(#krate::DecisionModel));
    let of = match &input.data {
        Data::Struct(_) if input.generics.params.is_empty() => refused_of(model),
        _ => TokenStream::new(),
    };
    let applies = applies_all(input, krate);
    anonymous(&quote! {
        #of

        #[automatically_derived]
        #fold {
            type Event = #event_enum;

            fn apply_event(&mut self, _: #event_enum) {}
        }

        #[automatically_derived]
        #state {
            type Decided = #krate::event::DecidedEvent;

            fn __take(&mut self, _: #krate::event::DecidedEvent) {}
        }

        #[automatically_derived]
        #this {
            fn items(&self) -> #private::Vec<#krate::store::QueryItem> {
                #private::refused()
            }

            fn __parts(&mut self) -> #private::Vec<&mut dyn #private::Part> {
                #private::refused()
            }

            fn __initial(&self) -> Self {
                #private::refused()
            }

            fn __copy(&self) -> Self {
                #private::refused()
            }
        }

        #applies
    })
}

/// The function that creates a model, of one that was refused.
fn refused_of(model: &DecisionModel<'_>) -> TokenStream {
    let (ident, vis) = (&model.input.ident, &model.input.vis);
    let private = private(&model.krate);
    let tags = model.fields.iter().filter(|field| field.tag.is_some());
    let types = tags.map(|field| field.ty);
    quote! {
        impl #ident {
            #[allow(dead_code)]
            #vis fn of(#(_: #types),*) -> Self {
                #private::refused()
            }
        }
    }
}
