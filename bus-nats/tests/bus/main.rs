//! The bus against a real server.

mod contract;
mod interest;
mod killed_receivers;
mod killed_servers;
mod kit;
mod limits;
mod refused;
mod strangers;
