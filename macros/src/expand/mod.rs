pub(crate) mod aggregate;
pub(crate) mod event;
pub(crate) mod event_set;
