//! What is wrong with an event of one line is said as of an event of three.

#[midgard::event(name = "User Created")]
struct UserCreated {}

#[midgard::event]
struct UserRenamed {}

#[midgard::event(name = "user.left")]
enum UserLeft {
    Left,
}

#[midgard::event(name = "user.returned")]
fn user_returned() {}

fn main() {}
