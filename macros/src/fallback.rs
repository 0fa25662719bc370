//! What is generated after a mistake has been reported: impls that let the rest of the program compile,
//! so that one mistake is one error.

use crate::ctxt::Ctxt;
use crate::expand::{event_set, private};
use crate::valid::{Aggregate, Checked, Event, EventSet};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Generics, Ident, Path};

/// `impl<..> #implemented for Ident<..>`, also for the generic type that was just refused.
///
/// What the trait asks of a generic type is put into the impl's own bounds: whether it holds is
/// nobody's question any more.
fn header(
    implemented: &TokenStream,
    bound: &TokenStream,
    ident: &Ident,
    generics: &Generics,
) -> TokenStream {
    if generics.params.is_empty() {
        return quote!(impl #implemented for #ident);
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let bounds = bounds.map(|bounds| {
        let predicates = &bounds.predicates;
        quote!(#predicates,)
    });
    quote!(impl #parameters #implemented for #ident #arguments where #bounds Self: #bound)
}

pub(crate) fn event(event: &Event<'_>) -> TokenStream {
    let (ident, krate) = (&event.input.ident, &event.krate);
    let private = private(krate);
    if matches!(event.input.data, syn::Data::Union(_)) {
        // Serde has no derive for it, so that an impl of `Event` would be the next error.
        return TokenStream::new();
    }
    // The checks of later versions know these stand-ins, and are content with them.
    let name = match &event.name {
        Checked::Good(name) => quote!(#name),
        Checked::Bad => {
            let ident = format!("::{ident}");
            quote!(#private::concat!("\0", #private::module_path!(), #ident))
        }
    };
    let version = match event.version {
        Checked::Good(version) => version,
        Checked::Bad => 0,
    };
    let header = header(
        &quote!(#krate::Event),
        &quote!(#krate::EventPayload),
        ident,
        &event.input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const DESCRIPTOR: &'static #krate::EventDescriptor =
                &#krate::EventDescriptor::new::<Self>("", #private::None);

            fn deserialize_version<'__de, __D>(
                _: #private::u32,
                _: __D,
            ) -> #private::Result<Self, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #private::refused()
            }
        }
    }
}

pub(crate) fn event_set(set: &EventSet<'_>) -> TokenStream {
    let krate = &set.krate;
    let private = private(krate);
    let ident = &set.input.ident;
    let conversions = set
        .input
        .generics
        .params
        .is_empty()
        .then(|| event_set::conversions(ident, &set.variants, false, &private));
    let header = header(
        &quote!(#krate::EventSet),
        &quote!(#private::Send + #private::Sync + 'static),
        ident,
        &set.input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            const DESCRIPTORS: &'static [&'static #krate::EventDescriptor] = &[];

            fn descriptor(&self) -> &'static #krate::EventDescriptor {
                #private::refused()
            }

            fn serialize_payload<__S>(&self, _: __S) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                #private::refused()
            }

            fn deserialize_payload<'__de, __D>(
                _: &#private::str,
                _: #private::u32,
                _: __D,
            ) -> #private::Result<Self, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #private::refused()
            }

            fn collect_tags(&self, _: &mut #krate::Tags) {}

            fn __fmt(&self, _: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                #private::refused()
            }

            fn __clone(&self) -> Self {
                #private::refused()
            }
        }
        #conversions
    }
}

/// The impl for an aggregate that was refused for being generic.
pub(crate) fn generic_aggregate(aggregate: &Aggregate<'_>, id: &TokenStream) -> TokenStream {
    let (krate, event_enum) = (&aggregate.krate, &aggregate.event_enum);
    let private = private(krate);
    let header = header(
        &quote!(#krate::Aggregate),
        &quote!(#private::Default + #private::Send + #private::Sync + 'static),
        &aggregate.input.ident,
        &aggregate.input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = "";
            type Id = #id;
            type Event = #event_enum;

            fn apply_event(&mut self, _: #event_enum) {}
        }
    }
}

/// A type that is one of the reported errors. Unlike a made-up type, it makes no further errors where
/// it is used.
///
/// An array, since an error that stands for the whole of a type makes it `()`, and an error that stands
/// for its length makes it one that rustc says nothing more of.
pub(crate) fn error_type(cx: &Ctxt, krate: &Path) -> TokenStream {
    match cx.take() {
        Some(error) => {
            let error = error.to_compile_error();
            quote!([(); #error])
        }
        None => {
            let private = private(krate);
            quote!(#private::u32)
        }
    }
}
