//! The derives of `midgard`, which re-exports them. Use them through that crate.

mod attr;
mod ctxt;
mod expand;
mod source;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct an event: implements `midgard::Event`.
///
/// ```text
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "user.created", version = 2, upcast_from = UserCreatedV1)]
/// pub struct UserCreated {
///     pub name: String,
///     #[event(tag = "email")]
///     pub email: Option<Email>,
/// }
/// ```
///
/// On the struct:
///
/// | `#[event(..)]` | |
/// |---|---|
/// | `name = "user.created"` | The name in the store. Required. 1 to 255 bytes of `a-z`, `0-9`, `.`, `-` and `_`, from a letter on. |
/// | `version = 2` | The version that this struct is. 1 when left out. |
/// | `upcast_from = Path` | The struct of the version before, of which this one is made with `From`. Required above version 1. |
/// | `upcast_with = function` | Upcasts in place of `From`: a function of the struct of the version before and of `&UpcastContext`. It returns this event, an `Option` or a `Vec` of it. |
/// | `split_from(A, B)` | The events of other names in whose place this one is read, too, as their `Split` says. |
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
///
/// On a field:
///
/// | `#[event(..)]` | |
/// |---|---|
/// | `tag = "email"` | Makes the value a tag, `email:{value}`, that queries can ask for. The field is anything that is `Display`, or an `Option` or a `Vec` of it: `None` gives no tag, and a `Vec` one for each element. 1 to 100 bytes of the same letters. |
///
/// With `#[publish]` on the struct, other services may be told of it: implements `midgard::outbox::Publish` too. Only
/// its newest version needs it.
///
/// | `#[publish]`, `#[publish(..)]` | |
/// |---|---|
/// | `key = customer` | The field within whose value its messages stay in order. The field is anything that is `Display`, or an `Option` of it: `None` gives no key. Its stream is the key when left out. |
#[proc_macro_derive(Event, attributes(event, publish))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::event::derive(&input).into()
}

/// Makes a struct an event in one line: derives `Debug`, `Clone`, serde's `Serialize` and `Deserialize`, and
/// [`Event`](derive@Event), each unless it is derived below.
///
/// ```text
/// #[midgard::event(name = "user.created")]
/// pub struct UserCreated {
///     pub name: String,
/// }
/// ```
///
/// It takes what `#[event(..)]` takes. Write it with its path: imported, its name would be that of the attribute of fields.
/// A program that derives nothing else of serde needs no serde among its dependencies.
#[proc_macro_attribute]
pub fn event(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let (arguments, item) = (arguments.into(), item.into());
    match expand::event_attribute::expand(&arguments, &item) {
        Ok(event) => event.into(),
        Err(error) => {
            let error = error.to_compile_error();
            quote::quote!(#error #item).into()
        }
    }
}

/// Makes an enum a set of events: implements `midgard::EventSet`, `From` and `TryFrom` for each of its
/// events, and `Serialize` and `Deserialize` under the events' stored names.
///
/// ```text
/// #[derive(Debug, Clone, EventSet)]
/// pub enum Ledger {
///     Placed(OrderPlaced),
///     Invoice(InvoiceEvent), // a set in a set
/// }
/// ```
///
/// Each variant holds one event, or another set. No two of the events may have one name.
///
/// | `#[event_set(..)]` | |
/// |---|---|
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(EventSet, attributes(event_set))]
pub fn derive_event_set(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::event_set::derive(&input).into()
}

/// Makes a type an aggregate: implements `midgard::Aggregate`, and generates the enum of its events.
///
/// ```text
/// #[derive(Debug, Default, Aggregate)]
/// #[aggregate(name = "user", id = UserId, events(UserCreated, Renamed = name::Changed))]
/// pub struct User {
///     name: String,
/// }
/// ```
///
/// Each listed event needs an `impl Apply<TheEvent>` for the type; one that is forgotten does not
/// compile, and neither does one for an event that is not listed. With `apply = enum` a single `impl Apply<UserEvent>`
/// takes the whole enum instead; its `match` does not compile either where it lacks an event. The type also gets a test, `user_events_are_consistent`, which fails when two event types of
/// the program claim one name.
///
/// | `#[aggregate(..)]` | |
/// |---|---|
/// | `name = "user"` | The first part of the names of its streams, as in `user-42`. Required. 1 to 100 bytes of `a-z`, `0-9`, `.` and `_`, from a letter on. |
/// | `id = UserId` | What tells one from another. Required. Anything that is `Display` and `FromStr`. |
/// | `events(A, Name = path::B)` | Its events. Required. The variants are called like the types, or as is written before `=`. |
/// | `event_enum = Facts` | The name of the generated enum. `UserEvent` for a `User` when left out. |
/// | `apply = enum` | One `impl Apply<UserEvent>` takes the whole enum, with a `match`, instead of an `Apply` for each event. |
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn derive_aggregate(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::aggregate::derive(&input).into()
}

/// Makes a newtype the id of an aggregate: implements `Display` and `FromStr`, `Serialize` and `Deserialize`, and
/// `midgard::ViewKey`, each as what it holds has it.
///
/// ```text
/// #[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
/// pub struct OrderId(u64);
/// ```
///
/// What else an id is to have (`Clone`, `PartialEq`, `Hash`, `Ord`) is derived beside it. It is a key of views only if what
/// it holds is one.
///
/// | `#[aggregate_id(..)]` | |
/// |---|---|
/// | `crate = path` | Where midgard is, when it is not `::midgard`. |
#[proc_macro_derive(AggregateId, attributes(aggregate_id))]
pub fn derive_aggregate_id(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::aggregate_id::derive(&input).into()
}

/// Makes a struct the rows of a view: implements `midgard::View`, with a function for each index.
///
/// ```text
/// #[derive(Serialize, Deserialize, View)]
/// #[view(key = id, index(city), index(email, unique), index(total, ordered))]
/// pub struct Customer {
///     id: u64,
///     city: String,
///     email: Option<String>,
///     total: u64,
/// }
/// ```
///
/// | `#[view(..)]` | |
/// |---|---|
/// | `key = id`, `key = (order, line)` | The field that tells one row from another, or several. Required. |
/// | `index(city)` | Rows are found by the field: makes `by_city(value)`. |
/// | `index(total, ordered)` | Makes `by_total_range(range)` and `ordered_by_total()` too. |
/// | `index(email, unique)` | No two rows have one value. Any number may have none, which is `None`. |
/// | `index(place = (country, city))` | An index of several fields, with a name for its functions. Takes `unique` and `ordered` too. |
/// | `name = "customer"` | The name of the table. The struct's when left out, as in `order_line` for an `OrderLine`: a renamed struct is another view then, and is built anew. 1 to 100 bytes of `a-z`, `0-9`, `.`, `-` and `_`, from a letter on. |
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
///
/// The types of the named fields are keys, which is `midgard::ViewKey`. The functions are as visible as the
/// struct.
///
/// Fields that would not be read as they were put are refused: what serde skips, an `Option<Option<T>>`, a flattened
/// `Option`.
#[proc_macro_derive(View, attributes(view))]
pub fn derive_view(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::view::derive(&input).into()
}

/// Makes a type the key of a view or of an index: implements `midgard::ViewKey`.
///
/// ```text
/// #[derive(Serialize, Deserialize, ViewKey)]
/// pub struct CustomerId(u64);
/// ```
///
/// The type is a struct whose fields are keys, or an enum without fields, whose variants sort as they are
/// declared.
///
/// | `#[view_key(..)]` | |
/// |---|---|
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(ViewKey, attributes(view_key))]
pub fn derive_view_key(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::view_key::derive(&input).into()
}

/// Makes a type a projection: implements `midgard::Projection`.
///
/// ```text
/// #[derive(Projection)]
/// #[projection(name = "orders", events(OrderPlaced, OrderApproved), views(Orders))]
/// pub struct OrdersByCustomer;
/// ```
///
/// Each listed event needs an `impl Project<TheEvent>` for the type; one that is forgotten does not compile, and neither
/// does one for an event that is not listed.
///
/// | `#[projection(..)]` | |
/// |---|---|
/// | `name = "orders"` | The name under which its checkpoint is kept. Required. 1 to 100 bytes, without slashes. |
/// | `events(A, B)` | The events that it handles, or sets of them. Required. |
/// | `version = 2` | Which version of its code. A higher one is a rebuild of its views. 1 when left out. |
/// | `views(X, Y)` | The views that it keeps. None when left out. |
/// | `ignore(C)` | Events, or sets of them, that it leaves out on purpose. |
/// | `covers(OrderEvent)` | Sets of which each event must be in `events(..)`, in its newest version, or in `ignore(..)`. |
/// | `tables = order_tables` | Instead of views, in a store of your own: a function that gives the `Vec<midgard::projection::ViewDefinition>` of its tables. |
/// | `store = SqlViews` | The place where its views are: a `midgard::projection::ViewStore`. `midgard::Views` when left out. |
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(Projection, attributes(projection))]
pub fn derive_projection(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::projection::derive(&input).into()
}

/// Makes a struct a command to another service: implements `midgard::RemoteCommand`.
///
/// ```text
/// #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
/// #[remote_command(name = "credit.reserve", service = "customers", key = customer, reply = CreditReserved)]
/// pub struct ReserveCredit {
///     pub customer: u32,
///     pub cents: u64,
/// }
/// ```
///
/// | `#[remote_command(..)]` | |
/// |---|---|
/// | `name = "credit.reserve"` | The name in messages. Required. 1 to 255 bytes of `a-z`, `0-9`, `.`, `-` and `_`, from a letter on. |
/// | `service = "customers"` | The service that it is for: the name of its inbox. Required. 1 to 100 bytes of `a-z`, `0-9`, `-` and `_`, from a letter on. |
/// | `version = 2` | The version that this struct is. 1 when left out. |
/// | `upcast_from = Path` | The struct of the version before, of which this one is made with `From`; so is its `reply`, when the two are answered with different types. Required above version 1. |
/// | `key = customer` | The field within whose value it stays in order. The field is anything that is `Display`, or an `Option` of it: `None` gives no key. The key of who sends it when left out. |
/// | `reply = CreditReserved` | The event that it is answered with. `midgard::Done` when left out. |
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(RemoteCommand, attributes(remote_command))]
pub fn derive_remote_command(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::remote_command::derive(&input).into()
}

/// Makes a type an inbox: implements `midgard::Inbox`.
///
/// ```text
/// #[derive(Inbox)]
/// #[inbox(name = "customers", events(OrderPlaced), commands(ReserveCredit))]
/// pub struct Customers;
/// ```
///
/// Each listed event needs an `impl Subscribe<TheEvent>` for the type, and each command an
/// `impl Handle<TheCommand>`; one that is forgotten does not compile, and neither does one for what is not listed.
///
/// | `#[inbox(..)]` | |
/// |---|---|
/// | `name = "customers"` | The name of its queue: that of the service, which commands are sent to. No other service on the bus has it. Required. 1 to 100 bytes of `a-z`, `0-9`, `-` and `_`, from a letter on. |
/// | `events(A, B)` | The events of other services that it receives, or sets of them. |
/// | `commands(C, D)` | The commands that it handles: those whose `service` is its name. One of the two lists is required. |
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(Inbox, attributes(inbox))]
pub fn derive_inbox(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::inbox::derive(&input).into()
}

/// Makes a type a process manager: implements `midgard::ProcessManager`.
///
/// ```text
/// #[derive(Debug, Default, ProcessManager)]
/// #[process_manager(
///     name = "placement",
///     id = OrderId,
///     events(OrderPlaced),
///     commands(ReserveCredit),
///     deadlines(PaymentOverdue),
/// )]
/// pub struct Placement {
///     is_reserved: bool,
/// }
/// ```
///
/// Each listed event needs an `impl React<TheEvent>` for the type, each command an `impl Resolve<TheCommand>`, and
/// each deadline an `impl Expire<TheDeadline>`; one that is forgotten does not compile, and neither does one for what is
/// not listed.
///
/// | `#[process_manager(..)]` | |
/// |---|---|
/// | `name = "placement"` | The first part of the names of its streams, as in `placement-42`, and the name of the queue of its answers, which no other service on the bus has. Required. 1 to 100 bytes of `a-z`, `0-9` and `_`, from a letter on. |
/// | `id = OrderId` | What tells one process from another. Required. Anything that is `Display` and `FromStr`. |
/// | `config = PlacementTerms` | The type of its configuration, which the program passes to `Processes::with_config` and reactions read by `reactions.config()`. None when left out. |
/// | `events(A, B)` | The events that it reacts to, or sets of them. Required. |
/// | `commands(C)` | The commands that it may send to other services. None when left out. |
/// | `deadlines(D)` | The deadlines that it may set, which are events. None when left out. |
/// | `crate = path` | Where midgard is, when the derive cannot find it. A dependency under another name is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(ProcessManager, attributes(process_manager))]
pub fn derive_process_manager(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::process_manager::derive(&input).into()
}
