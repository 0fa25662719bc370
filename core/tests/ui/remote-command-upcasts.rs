use midgard::{Done, Event, RemoteCommand};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "user.create", service = "users")]
struct V1 {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "user.create", service = "users", version = 2, upcast_from = V1)]
struct NoFrom {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "user.create", service = "users", version = 3, upcast_from = V1)]
struct Gap {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "user.make", service = "users", version = 2, upcast_from = V1)]
struct AnotherName {}

struct NoCommand {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "user.create", service = "users", version = 2, upcast_from = NoCommand)]
struct OfNoCommand {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct Created {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "user.create", service = "users", version = 2, upcast_from = V1, reply = Created)]
struct AnotherReply {}

impl From<V1> for Gap {
    fn from(_: V1) -> Self {
        Gap {}
    }
}

impl From<V1> for AnotherName {
    fn from(_: V1) -> Self {
        AnotherName {}
    }
}

impl From<NoCommand> for OfNoCommand {
    fn from(_: NoCommand) -> Self {
        OfNoCommand {}
    }
}

impl From<V1> for AnotherReply {
    fn from(_: V1) -> Self {
        AnotherReply {}
    }
}

fn main() {
    let _: Option<Done> = None;
}
