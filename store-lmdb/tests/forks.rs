//! A store that was opened before a fork. Without the test harness, which has threads of its own: a child has none of them.

#[cfg(unix)]
#[path = "forks/children.rs"]
mod children;

#[cfg(unix)]
#[allow(clippy::print_stdout)]
fn main() {
    for (name, test) in children::TESTS {
        println!("{name}");
        test();
    }
}

#[cfg(not(unix))]
fn main() {}
