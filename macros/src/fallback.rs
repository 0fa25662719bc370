//! What is generated after a mistake has been reported: impls that let the rest of the program compile,
//! so that one mistake is one error.

use crate::ctxt::Ctxt;
use crate::expand::{self, event_set, private};
use crate::valid::{
    Aggregate, Checked, Event, EventSet, Inbox, Index, ProcessManager, Projection, RemoteCommand,
    View, ViewKey,
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
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

/// The name, or one that no other type has and the checks know.
fn name_or_stand_in(name: &Checked<String>, ident: &Ident, private: &TokenStream) -> TokenStream {
    match name {
        Checked::Good(name) => quote!(#name),
        Checked::Bad => {
            let ident = format!("::{ident}");
            quote!(#private::concat!("\0", #private::module_path!(), #ident))
        }
    }
}

/// As [`header`], of a trait that has a parameter `__T`, for whatever that is.
fn blanket_header(
    implemented: &TokenStream,
    bound: &TokenStream,
    ident: &Ident,
    generics: &Generics,
) -> TokenStream {
    let mut with_parameter = generics.clone();
    with_parameter.params.push(syn::parse_quote!(__T));
    let (parameters, ..) = with_parameter.split_for_impl();
    let (_, arguments, bounds) = generics.split_for_impl();
    let bounds = bounds.map(|bounds| {
        let predicates = &bounds.predicates;
        quote!(#predicates,)
    });
    quote!(impl #parameters #implemented<__T> for #ident #arguments where #bounds Self: #bound)
}

pub(crate) fn event(event: &Event<'_>) -> TokenStream {
    let (ident, krate) = (&event.input.ident, &event.krate);
    let private = private(krate);
    if matches!(event.input.data, syn::Data::Union(_)) {
        // Serde has no derive for it, so that an impl of `Event` would be the next error.
        return TokenStream::new();
    }
    // The checks of later versions know these stand-ins, and are content with them.
    let name = name_or_stand_in(&event.name, ident, &private);
    let version = match event.version {
        Checked::Good(version) => version,
        Checked::Bad => 0,
    };
    let bound = quote!(#krate::event::EventPayload);
    let generics = &event.input.generics;
    let publish = event.publish.as_ref().map(|_| {
        let header = header(&quote!(#krate::outbox::Publish), &bound, ident, generics);
        quote! {
            #[automatically_derived]
            #header {
                const HAS_KEY: #private::bool = false;

                fn key(&self) -> #private::Option<#private::Cow<'_, #private::str>> {
                    #private::refused()
                }
            }
        }
    });
    let header = header(&quote!(#krate::Event), &bound, ident, generics);
    // Whether it is read in the place of others is nobody's question then.
    let split_from = event.input.generics.params.is_empty().then(|| {
        let sources = &event.split_from;
        quote!(#(impl #krate::event::SplitFrom<#sources> for #ident {})*)
    });
    quote! {
        #publish

        #split_from

        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const DESCRIPTOR: &'static #krate::event::EventDescriptor =
                &#krate::event::EventDescriptor::new::<Self>("", #private::None);

            fn deserialize_version<'__de, __D>(
                _: &#krate::event::UpcastContext<'_>,
                _: __D,
            ) -> #private::Result<#krate::event::Decoded<Self>, __D::Error>
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
            const DESCRIPTORS: &'static [&'static #krate::event::EventDescriptor] = &[];

            fn descriptor(&self) -> &'static #krate::event::EventDescriptor {
                #private::refused()
            }

            fn serialize_payload<__S>(&self, _: __S) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                #private::refused()
            }

            fn __from_any(_: #private::AnyBox) -> #private::Result<Self, #private::AnyBox> {
                #private::refused()
            }

            fn deserialize_payload<'__de, __D>(
                _: &#krate::event::UpcastContext<'_>,
                _: __D,
            ) -> #private::Result<#krate::event::Decoded<Self>, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #private::refused()
            }

            fn collect_tags(&self, _: &mut #krate::event::Tags) {}

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

/// Lets an aggregate handle whatever it does, where the list of its events could not be read.
pub(crate) fn applies(aggregate: &Aggregate<'_>) -> TokenStream {
    let Aggregate { input, krate, .. } = aggregate;
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

/// The impl for an aggregate that was refused for being generic.
pub(crate) fn generic_aggregate(aggregate: &Aggregate<'_>, id: &TokenStream) -> TokenStream {
    let (krate, event_enum) = (&aggregate.krate, &aggregate.event_enum);
    let private = private(krate);
    let header = |implemented| {
        header(
            &implemented,
            &quote!(#private::Default + #private::Send + #private::Sync + 'static),
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
        }
    }
}

/// The impl for a view without a key, or that was refused for being generic.
pub(crate) fn view(cx: &Ctxt, view: &View<'_>) -> TokenStream {
    let View { krate, name, .. } = view;
    let private = private(krate);
    let key = error_type(cx, krate);
    let header = header(
        &quote!(#krate::View),
        &quote!(#krate::view::ViewRow),
        &view.input.ident,
        &view.input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;
            const INDEXES: &'static [#krate::view::ViewIndex<Self>] = &[];
            type Key = #key;
            const KEY: #krate::view::KeyForm<Self::Key> =
                #krate::view::KeyForm::__new(|_| {}, |_, _| {});

            fn encode_key(&self, _: &mut #krate::view::KeyBytes) {}

            fn describe(_: &mut #private::String) {}
        }
    }
}

/// The functions of an index whose type is not known.
pub(crate) fn selections_of(view: &View<'_>, index: &Index<'_>) -> TokenStream {
    let View { input, krate, .. } = view;
    let private = private(krate);
    let (vis, name) = (&input.vis, &index.name);
    let names = [format_ident!("by_{name}"), format_ident!("by_{name}_range")];
    let names = names.iter().take(if index.ordered { 2 } else { 1 });
    let ordered = index.ordered.then(|| {
        let name = format_ident!("ordered_by_{name}");
        quote! {
            #[allow(missing_docs)]
            #vis fn #name() -> #krate::view::Select<Self> {
                #private::refused()
            }
        }
    });
    quote! {
        #(
            #[allow(missing_docs)]
            #vis fn #names<__T>(_: __T) -> #krate::view::Select<Self> {
                #private::refused()
            }
        )*
        #ordered
    }
}

pub(crate) fn view_key(key: &ViewKey<'_>) -> TokenStream {
    let krate = &key.krate;
    let private = private(krate);
    let header = header(
        &quote!(#krate::ViewKey),
        &quote!(#private::Send + #private::Sync + 'static),
        &key.input.ident,
        &key.input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            fn describe(_: &mut #private::String) {}

            fn encode(&self, _: &mut #krate::view::KeyBytes) {}
        }
    }
}

pub(crate) fn projection(projection: &Projection<'_>) -> TokenStream {
    let Projection {
        input, krate, name, ..
    } = projection;
    let private = private(krate);
    let store = expand::projection::store(projection);
    let (ident, generics) = (&input.ident, &input.generics);
    let bound = quote!(#private::Send + #private::Sync + 'static);
    let this = header(&quote!(#krate::Projection), &bound, ident, generics);
    let keeps = blanket_header(&quote!(#krate::projection::Keeps), &bound, ident, generics);
    let projects = blanket_header(
        &quote!(#krate::projection::Projects),
        &bound,
        ident,
        generics,
    );
    quote! {
        #[automatically_derived]
        #this {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = 1;
            const EVENTS: &'static [&'static #krate::event::EventDescriptor] = &[];
            type Store = #store;

            fn views() -> #private::Vec<#krate::projection::ViewDefinition> {
                #private::refused()
            }

            async fn project_event(
                &self,
                _: &#krate::event::RecordedEventRef<'_>,
                _: &mut #krate::Context<'_, Self>,
            ) -> #private::Result<(), #krate::projection::ProjectError> {
                #private::refused()
            }
        }

        #[automatically_derived]
        #projects {}

        #[automatically_derived]
        #keeps {}
    }
}

pub(crate) fn remote_command(cx: &Ctxt, command: &RemoteCommand<'_>) -> TokenStream {
    let RemoteCommand {
        input,
        krate,
        name,
        service,
        version,
        reply,
        ..
    } = command;
    let private = private(krate);
    let [name, service] =
        [name, service].map(|name| name_or_stand_in(name, &input.ident, &private));
    // As of an event.
    let version = match version {
        Checked::Good(version) => *version,
        Checked::Bad => 0,
    };
    let reply = match reply {
        Checked::Good(reply) => expand::remote_command::reply(reply.as_ref(), krate),
        Checked::Bad => error_type(cx, krate),
    };
    let header = header(
        &quote!(#krate::RemoteCommand),
        &quote!(#private::Send + #private::Sync + 'static),
        &input.ident,
        &input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const SERVICE: &'static #private::str = #service;
            type Reply = #reply;

            fn key(&self) -> #private::Option<#private::Cow<'_, #private::str>> {
                #private::refused()
            }

            fn __serialize<__S>(&self, _: __S) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                #private::refused()
            }

            fn __deserialize_version<'__de, __D>(
                _: #private::u32,
                _: __D,
            ) -> #private::Result<Self, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #private::refused()
            }

            fn __fmt(&self, _: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                #private::refused()
            }
        }
    }
}

pub(crate) fn inbox(inbox: &Inbox<'_>) -> TokenStream {
    let Inbox {
        input, krate, name, ..
    } = inbox;
    let private = private(krate);
    let name = name_or_stand_in(name, &input.ident, &private);
    let (ident, generics) = (&input.ident, &input.generics);
    let bound = quote!(#private::Send + #private::Sync + 'static);
    let header = header(&quote!(#krate::Inbox), &bound, ident, generics);
    let receives = blanket_header(&quote!(#krate::inbox::Receives), &bound, ident, generics);
    let handles = blanket_header(&quote!(#krate::inbox::Handles), &bound, ident, generics);
    quote! {
        #[automatically_derived]
        #receives {}

        #[automatically_derived]
        #handles {}

        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;

            fn topics() -> #private::Vec<#krate::bus::Topic> {
                #private::refused()
            }

            async fn handle_message(
                &self,
                _: &#krate::bus::Message,
                _: &mut #krate::MessageContext<'_>,
            ) -> #private::Result<(), #krate::inbox::InboxError> {
                #private::refused()
            }
        }
    }
}

pub(crate) fn process_manager(cx: &Ctxt, manager: &ProcessManager<'_>) -> TokenStream {
    let ProcessManager {
        input,
        krate,
        name,
        id,
        config,
        ..
    } = manager;
    let private = private(krate);
    let config = config.as_ref().map_or_else(|| quote!(()), |ty| quote!(#ty));
    let id = match id {
        Checked::Good(id) => quote!(#id),
        Checked::Bad => error_type(cx, krate),
    };
    let (ident, generics) = (&input.ident, &input.generics);
    let bound = quote!(#private::Send + #private::Sync + 'static);
    let this = header(&quote!(#krate::ProcessManager), &bound, ident, generics);
    let reacts = blanket_header(&quote!(#krate::process::ReactsTo), &bound, ident, generics);
    let sends = blanket_header(&quote!(#krate::process::Sends), &bound, ident, generics);
    let schedules = blanket_header(&quote!(#krate::process::Schedules), &bound, ident, generics);
    quote! {
        #[automatically_derived]
        #this {
            const NAME: &'static #private::str = #name;
            type Id = #id;
            type Config = #config;
            const EVENTS: &'static [&'static #krate::event::EventDescriptor] = &[];
            const SENDS: #private::bool = false;

            fn initial() -> Self {
                #private::refused()
            }

            fn processes_of(
                _: &#krate::event::RecordedEventRef<'_>,
            ) -> #private::Result<
                #private::Vec<#krate::process::Concerned<Self::Id>>,
                #krate::event::DecodeError,
            > {
                #private::refused()
            }

            fn react_to(
                &mut self,
                _: &#krate::process::ProcessInput<'_>,
                _: &mut #krate::Reactions<Self>,
            ) -> #private::Result<(), #krate::event::DecodeReason> {
                #private::refused()
            }
        }

        #[automatically_derived]
        #reacts {}

        #[automatically_derived]
        #sends {}

        #[automatically_derived]
        #schedules {}
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
