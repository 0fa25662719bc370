use midgard::RemoteCommand;

struct ReserveCredit {}

fn send<C: RemoteCommand>(_: C) {}

fn all() {
    send(ReserveCredit {});
}

fn main() {}
