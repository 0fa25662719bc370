//! The derives of `midgard`, which re-exports them. Use them through that crate.

mod attr;
mod ctxt;
mod expand;
mod source;
mod valid;

use expand::one_line::one_line;
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
/// | `name = "user.created"` | The name in the store. Required. 1 to 255 bytes of `a-z`, `0-9`, `.`, `-` and `_`, beginning with a letter. |
/// | `version = 2` | The version of this struct. The default is 1. |
/// | `upcast_from = Path` | The struct of the previous version, which this one is converted from with `From`. Required above version 1. |
/// | `upcast_with = function` | A function that upcasts instead of `From`: it takes the struct of the previous version and `&UpcastContext`, and returns this event, or an `Option` or a `Vec` of it. |
/// | `split_from(A, B)` | The events of other names in whose place this one is read, as their `Split` implementations define. |
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
///
/// On a field:
///
/// | `#[event(..)]` | |
/// |---|---|
/// | `tag = "email"` | Makes the value a tag, `email:{value}`, for queries. The field's type is anything that is `Display`, or an `Option` or a `Vec` of it: `None` makes no tag, and a `Vec` one for each element. 1 to 100 bytes of the same letters. |
///
/// With `#[publish]` on the struct, it may be published to other services: implements `midgard::outbox::Publish` too. Only
/// its newest version needs it.
///
/// | `#[publish]`, `#[publish(..)]` | |
/// |---|---|
/// | `key = customer` | The field that is the key of its messages: those with the same value stay in order. Its type is anything that is `Display`, or an `Option` of it: `None` means no key. The default is the event's stream. |
#[proc_macro_derive(Event, attributes(event, publish))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::event::derive(&input).into()
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
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
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
/// Each listed event needs an `impl Apply<TheEvent>` for the type; a missing one is a compile error,
/// and so is one for an event that is not listed. With `apply = enum` a single `impl Apply<UserEvent>`
/// takes the whole enum instead; a missing event in its `match` is a compile error, too. The type also gets a test, `user_events_are_consistent`, which fails when two event types of
/// the program have the same name.
///
/// | `#[aggregate(..)]` | |
/// |---|---|
/// | `name = "user"` | The prefix of the names of its streams, as in `user-42`. Required. 1 to 100 bytes of `a-z`, `0-9`, `.` and `_`, beginning with a letter. |
/// | `id = UserId` | The type of its id. Required. Anything that is `Display` and `FromStr`. |
/// | `events(A, Name = path::B)` | Its events. Required. The variants have the names of the types, or the name before `=`. |
/// | `event_enum = Facts` | The name of the generated enum. The default for a `User` is `UserEvent`. |
/// | `apply = enum` | One `impl Apply<UserEvent>` takes the whole enum, with a `match`, instead of an `Apply` for each event. |
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn derive_aggregate(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::aggregate::derive(&input).into()
}

/// Makes a struct a decision model: implements `midgard::DecisionModel`, and generates the enum of its events.
///
/// ```text
/// #[derive(Debug, DecisionModel)]
/// #[decision(events(CourseDefined, CapacityChanged, StudentSubscribed))]
/// pub struct CourseSeats {
///     #[decision(tag)]
///     course: CourseId,
///     capacity: u32,
///     taken: u32,
/// }
/// ```
///
/// Each listed event needs an `impl Apply<TheEvent>` for the type, as of an aggregate. It must carry at least one of the model's
/// tags, with the same type; the query demands those tags that it carries. All of this is checked by the compiler.
///
/// The struct gets a function `of`, which takes the tags in the order of the fields, as in `CourseSeats::of(course)`. Every other
/// field begins with its default.
///
/// | `#[decision(..)]` | |
/// |---|---|
/// | `events(A, Name = path::B)` | Its events. Required. The variants have the names of the types, or the name before `=`. |
/// | `all` | The model has no tags: it is folded from all events of these types, and each of them is a conflict. |
/// | `event_enum = Facts` | The name of the generated enum. The default for a `CourseSeats` is `CourseSeatsEvent`. |
/// | `apply = enum` | One `impl Apply<CourseSeatsEvent>` takes the whole enum, with a `match`, instead of an `Apply` for each event. |
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
///
/// On a field:
///
/// | `#[decision(..)]` | |
/// |---|---|
/// | `tag` | Makes the value a tag of the query, under the name of the field: `course:{value}`. Its type is anything that is `Display` and `Clone`. |
/// | `tag = "course"` | The same, with another key. |
///
/// All other fields are `Default` and `Clone`.
#[proc_macro_derive(DecisionModel, attributes(decision))]
pub fn derive_decision_model(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::decision_model::derive(&input).into()
}

/// Makes a newtype the id of an aggregate: implements `Display` and `FromStr`, `Serialize` and `Deserialize`, and
/// `midgard::ViewKey`, each by the implementation of its field.
///
/// ```text
/// #[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
/// pub struct OrderId(u64);
/// ```
///
/// Derive the other traits of an id (`Clone`, `PartialEq`, `Hash`, `Ord`) alongside it. The id is a key of views only if its
/// field is one.
///
/// | `#[aggregate_id(..)]` | |
/// |---|---|
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
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
/// | `key = id`, `key = (order, line)` | The field, or fields, that identify a row. Required. |
/// | `index(city)` | Finds rows by the field: generates `by_city(value)`. |
/// | `index(total, ordered)` | Generates `by_total_range(range)` and `ordered_by_total()` too. |
/// | `index(email, unique)` | The index is unique. Rows without a value (`None`) are exempt. |
/// | `index(place = (country, city))` | An index of several fields, with a name for its functions. Takes `unique` and `ordered` too. |
/// | `name = "customer"` | The name of the table. The default is the struct's name, as in `order_line` for an `OrderLine`: renaming the struct then makes it another view, which is rebuilt. 1 to 100 bytes of `a-z`, `0-9`, `.`, `-` and `_`, beginning with a letter. |
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
///
/// The types of the named fields must be keys (`midgard::ViewKey`). The functions have the visibility of the
/// struct.
///
/// Fields that would not be read back as they were written are refused: fields that serde skips, an `Option<Option<T>>`, a flattened
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
/// The type is a struct whose fields are keys, or an enum without fields, whose variants sort in the order of
/// their declaration.
///
/// | `#[view_key(..)]` | |
/// |---|---|
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
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
/// Each listed event needs an `impl Project<TheEvent>` for the type; a missing one is a compile error, and so
/// is one for an event that is not listed.
///
/// | `#[projection(..)]` | |
/// |---|---|
/// | `name = "orders"` | The name of its checkpoint. No other consumer of the program may have it, no inbox either. Required. 1 to 100 bytes, without slashes. |
/// | `events(A, B)` | The events that it handles, or sets of them. Required. |
/// | `version = 2` | The version of its code. A higher one rebuilds its views. The default is 1. |
/// | `views(X, Y)` | The views that it keeps. The default is none. |
/// | `ignore(C)` | Events, or sets of them, that it ignores on purpose. |
/// | `covers(OrderEvent)` | Sets of which each event must be in `events(..)`, in its newest version, or in `ignore(..)`. |
/// | `tables = order_tables` | Instead of views, for a store of your own: a function that returns the `Vec<midgard::projection::ViewDefinition>` of its tables. |
/// | `store = SqlViews` | The store of its views: a `midgard::projection::ViewStore`. The default is `midgard::Views`. |
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
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
/// | `name = "credit.reserve"` | The name in messages. Required. 1 to 255 bytes of `a-z`, `0-9`, `.`, `-` and `_`, beginning with a letter. |
/// | `service = "customers"` | The receiving service: the name of its inbox. Required. 1 to 100 bytes of `a-z`, `0-9`, `-` and `_`, beginning with a letter. |
/// | `version = 2` | The version of this struct. The default is 1. |
/// | `upcast_from = Path` | The struct of the previous version, which this one is converted from with `From`; so is its `reply`, when the two have different reply types. Required above version 1. |
/// | `key = customer` | The field that is its key: commands with the same value stay in order. Its type is anything that is `Display`, or an `Option` of it: `None` means no key. The default is the sender's key. |
/// | `reply = CreditReserved` | The event of its reply. The default is `midgard::Done`. |
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
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
/// `impl Handle<TheCommand>`; a missing one is a compile error, and so is one for a type that is not listed.
///
/// | `#[inbox(..)]` | |
/// |---|---|
/// | `name = "customers"` | The name of its queue, which is the name of the service that commands are sent to. It must be unique on the bus, and no other consumer of the program may have it, except the outbox. Required. 1 to 100 bytes of `a-z`, `0-9`, `-` and `_`, beginning with a letter. |
/// | `events(A, B)` | The events of other services that it receives, or sets of them. |
/// | `commands(C, D)` | The commands that it handles: those whose `service` is its name. One of the two lists is required. |
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
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
/// each deadline an `impl Expire<TheDeadline>`; a missing one is a compile error, and so is one for a type that is
/// not listed.
///
/// | `#[process_manager(..)]` | |
/// |---|---|
/// | `name = "placement"` | The prefix of the names of its streams, as in `placement-42`, and the name of the queue of its answers, which must be unique on the bus. Required. 1 to 100 bytes of `a-z`, `0-9` and `_`, beginning with a letter. |
/// | `id = OrderId` | The type of a process's id. Required. Anything that is `Display` and `FromStr`. |
/// | `config = PlacementTerms` | The type of its configuration, which the program passes to `Processes::with_config` and reactions read by `reactions.config()`. The default is none. |
/// | `events(A, B)` | The events that it reacts to, or sets of them. Required. |
/// | `commands(C)` | The commands that it may send to other services. The default is none. |
/// | `deadlines(D)` | The deadlines that it may set, which are events. The default is none. |
/// | `crate = path` | The path of midgard, if the derive cannot find it. A renamed dependency is found; a re-export is not, as in `crate = other::midgard`. |
#[proc_macro_derive(ProcessManager, attributes(process_manager))]
pub fn derive_process_manager(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::process_manager::derive(&input).into()
}

one_line! {
    /// Makes a struct an event: derives `Debug`, `Clone`, serde's `Serialize` and `Deserialize`, and `Event`.
    ///
    /// ```text
    /// #[midgard::event(name = "user.created")]
    /// pub struct UserCreated { pub name: String }
    /// ```
    ///
    /// A program that derives nothing else of serde needs no serde among its dependencies.
    event = Event, ["Debug", "Clone"], is_data = true;

    /// Makes a struct a command to another service: derives what an [event](macro@event) has, and `RemoteCommand`.
    ///
    /// ```text
    /// #[midgard::remote_command(name = "credit.reserve", service = "customers", key = customer)]
    /// pub struct ReserveCredit { pub customer: u32, pub cents: u64 }
    /// ```
    remote_command = RemoteCommand, ["Debug", "Clone"], is_data = true;

    /// Makes a struct the rows of a view: derives what an [event](macro@event) has, and `View`.
    ///
    /// ```text
    /// #[midgard::view(key = id, index(city))]
    /// pub struct Customer { id: u64, city: String }
    /// ```
    view = View, ["Debug", "Clone"], is_data = true;

    /// Makes a type an aggregate: derives `Debug`, `Default` and `Aggregate`. One with a `Default` of its own has the derive.
    ///
    /// ```text
    /// #[midgard::aggregate(name = "user", id = UserId, events(UserCreated, Renamed))]
    /// pub struct User { name: String }
    /// ```
    aggregate = Aggregate, ["Debug", "Default"], is_data = false;

    /// Makes a type a projection: derives `Projection`.
    ///
    /// ```text
    /// #[midgard::projection(name = "orders", events(OrderPlaced, OrderApproved), views(Orders))]
    /// pub struct OrdersByCustomer;
    /// ```
    projection = Projection, [], is_data = false;

    /// Makes a type an inbox: derives `Inbox`. Above an `impl` of the type instead, methods of it are the handlers:
    ///
    /// ```text
    /// #[midgard::inbox(name = "customers", events(OrderPlaced), commands(ReserveCredit))]
    /// impl Customers {
    ///     async fn placed(&self, event: OrderPlaced, context: &mut MessageContext<'_>) -> HandlerResult { .. }
    ///     async fn reserve(&self, command: ReserveCredit, context: &mut MessageContext<'_>) -> HandlerResult<Done> { .. }
    /// }
    /// ```
    inbox = Inbox, [], is_data = false, methods = of_inbox;

    /// Makes a type a process manager: derives `Debug`, `Default` and `ProcessManager`. Above an `impl` of a type that is
    /// `Default` instead, functions of it are the handlers:
    ///
    /// ```text
    /// #[midgard::process_manager(name = "placement", id = OrderId, events(OrderPlaced), commands(ReserveCredit), deadlines(Overdue))]
    /// impl Placement {
    ///     fn of_placed(event: &OrderPlaced) -> Option<OrderId> { .. }
    ///     fn placed(&mut self, event: OrderPlaced, reactions: &mut Reactions<Self>) { .. }
    ///     fn reserved(&mut self, command: ReserveCredit, reply: Done, reactions: &mut Reactions<Self>) { .. }
    ///     fn not_reserved(&mut self, command: ReserveCredit, reason: &str, reactions: &mut Reactions<Self>) { .. }
    ///     fn overdue(&mut self, deadline: Overdue, reactions: &mut Reactions<Self>) { .. }
    /// }
    /// ```
    process_manager = ProcessManager, ["Debug", "Default"], is_data = false, methods = of_process_manager;
}
