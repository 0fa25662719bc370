use midgard::Event;

#[derive(Event)]
#[event(name = "user.created", version = 1)]
struct UserCreated {
    #[event(tag = "name")]
    name: String,
}

fn main() {}
