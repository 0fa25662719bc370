//! A web service.
