use midgard::RemoteCommand;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "c.large", service = "s", version = 4294967296)]
struct TooLarge {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "e.create", service = "s", version = 2)]
struct NoUpcast {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "f.create", service = "s", upcast_from = NoUpcast)]
struct NoVersion {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "g.create", service = "s", version = 1, upcast_from = NoUpcast)]
struct First {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "h.create", service = "s", version = 2, upcast_from = FromItself)]
struct FromItself {}

// What was refused is in nobody's way.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "c.large", service = "s", version = 7, upcast_from = TooLarge)]
struct OfRefused {}

impl From<TooLarge> for OfRefused {
    fn from(_: TooLarge) -> Self {
        OfRefused {}
    }
}

fn main() {}
