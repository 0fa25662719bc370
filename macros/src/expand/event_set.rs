use crate::attr::{self, Variant};
use crate::ctxt::Ctxt;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Data, DeriveInput, Fields, Path, Type};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::new();
    let krate: Path = syn::parse_quote!(::midgard);
    let mut variants = Vec::new();
    match &input.data {
        Data::Enum(data) => {
            for v in &data.variants {
                match &v.fields {
                    Fields::Unnamed(f) if f.unnamed.len() == 1 => match &f.unnamed[0].ty {
                        Type::Path(p) => variants.push(Variant {
                            ident: v.ident.clone(),
                            ty: p.path.clone(),
                        }),
                        ty => cx.error(ty, "expected the path of an event type"),
                    },
                    _ => cx.error(
                        v,
                        format_args!(
                            "a variant of an event set wraps one event: write `{0}(Some{0})` and \
                             move the fields to `struct Some{0}` with `#[derive(Event)]`",
                            v.ident
                        ),
                    ),
                }
            }
        }
        _ => cx.error(
            &input.ident,
            "an event set is an enum with one event per variant",
        ),
    }
    if !input.generics.params.is_empty() {
        cx.error(&input.generics, "an event set cannot be generic");
    }
    if let Err(errors) = cx.check() {
        return errors;
    }
    impls(&input.ident, &variants, &krate)
}

pub(crate) fn impls(ident: &Ident, variants: &[Variant], krate: &Path) -> TokenStream {
    let private = attr::private(krate);
    let idents: Vec<_> = variants.iter().map(|v| &v.ident).collect();
    let types: Vec<_> = variants.iter().map(|v| &v.ty).collect();
    let sets: Vec<_> = types
        .iter()
        .map(|ty| quote!(<#ty as #krate::EventSet>))
        .collect();
    let conversions = variants.iter().map(|Variant { ident: v, ty }| {
        quote! {
            #[automatically_derived]
            impl #private::From<#ty> for #ident {
                fn from(event: #ty) -> Self { #ident::#v(event) }
            }
            #[automatically_derived]
            impl #private::TryFrom<#ident> for #ty {
                type Error = #ident;
                fn try_from(event: #ident) -> #private::Result<Self, #ident> {
                    match event {
                        #ident::#v(event) => #private::Ok(event),
                        #[allow(unreachable_patterns)]
                        other => #private::Err(other),
                    }
                }
            }
        }
    });
    // A trait error lands on the event's tokens; a const panic would land on the derive.
    // One const finds all duplicates: a bound per pair would be quadratic in the trait solver.
    let len = variants.len();
    let distinct = variants.iter().enumerate().map(|(i, v)| {
        let ty = &v.ty;
        quote!(const _: fn() = #private::distinct::<#ty, #ident, { __DISTINCT[#i] }>;)
    });
    quote! {
        const _: () = {
            const __N: #private::usize = 0 #(+ #sets::DESCRIPTORS.len())*;

            #[automatically_derived]
            impl #krate::EventSet for #ident {
                const DESCRIPTORS: &'static [&'static #krate::EventDescriptor] =
                    &#private::concat_descriptors::<__N>(&[#(#sets::DESCRIPTORS),*]);

                fn descriptor(&self) -> &'static #krate::EventDescriptor {
                    match self { #(#ident::#idents(event) => #sets::descriptor(event),)* }
                }

                fn serialize_payload<__S>(&self, serializer: __S) -> #private::Result<__S::Ok, __S::Error>
                where __S: #private::Serializer {
                    match self { #(#ident::#idents(event) => #sets::serialize_payload(event, serializer),)* }
                }

                fn collect_tags(&self, tags: &mut #krate::Tags) {
                    match self { #(#ident::#idents(event) => #sets::collect_tags(event, tags),)* }
                }

                fn deserialize_payload<'de, __D>(
                    name: &#private::str,
                    version: #private::u32,
                    deserializer: __D,
                ) -> #private::Result<Self, __D::Error>
                where __D: #private::Deserializer<'de> {
                    #(
                        if #private::has(#sets::DESCRIPTORS, name) {
                            return #sets::deserialize_payload(name, version, deserializer).map(#ident::#idents);
                        }
                    )*
                    #private::Err(#private::unknown_event::<__D>(name))
                }
            }

            #[automatically_derived]
            impl #private::Serialize for #ident {
                fn serialize<__S: #private::Serializer>(&self, s: __S) -> #private::Result<__S::Ok, __S::Error> {
                    #private::serialize_tagged(self, s)
                }
            }
            #[automatically_derived]
            impl<'de> #private::Deserialize<'de> for #ident {
                fn deserialize<__D: #private::Deserializer<'de>>(d: __D) -> #private::Result<Self, __D::Error> {
                    #private::deserialize_tagged(d)
                }
            }
            const __DISTINCT: [#private::bool; #len] = #private::distinct_names(&[#(#sets::DESCRIPTORS),*]);
            #(#distinct)*
        };
        #(#conversions)*
    }
}
