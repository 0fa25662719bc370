use midgard::Event;

#[derive(Debug, Clone, Event)]
#[event(name = "user.created")]
struct UserCreated {}

fn main() {}
