use midgard::RemoteCommand;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
struct NoAttribute {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(service = "s")]
struct NoName {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "a")]
struct NoService {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "Reserve Credit", service = "s")]
struct Name {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "", service = "s")]
struct EmptyName {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "b", service = "Customers")]
struct Service {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "c", service = "shop.customers")]
struct Dots {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "d", service = "")]
struct EmptyService {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "e", service = customers)]
struct Unquoted {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "f", service = "s", version = 0)]
struct Version {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "g", service = "s", version = "2")]
struct VersionText {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "h", service = "s", key = custmer)]
struct NoField {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "i", service = "s", key = "customer")]
struct QuotedKey {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "j", service = "s", reply = "Done")]
struct QuotedReply {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(nmae = "k", service = "s")]
struct Misspelt {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "l", service = "s", version = 2, upcast_from = "Misspelt")]
struct Upcast {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "m", service = "s", reply = midgard::Done, reply = midgard::Done)]
struct ReplyTwice {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "n", service = "s", crate = "midgard")]
struct CrateText {
    customer: u64,
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "o", service = "s")]
struct Inner {
    #[remote_command(key)]
    customer: u64,
}

fn send<C: RemoteCommand>(_: C) {}

fn all(name: Name, service: Service, reply: QuotedReply, misspelt: Misspelt) {
    send(NoAttribute {});
    send(name);
    send(service);
    send(reply);
    send(misspelt);
}

fn main() {}
