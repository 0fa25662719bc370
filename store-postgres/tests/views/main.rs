//! Views in PostgreSQL.

mod kit;
mod projected;
