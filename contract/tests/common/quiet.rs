//! Cases that are meant to fail.

use std::panic;
use std::sync::Once;
use std::thread;

/// Prints only what fails on the threads of the tests themselves from now on: not in a case, nor on a thread without a name that
/// runs cases or is of one.
pub(crate) fn be_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if matches!(thread::current().name(), Some(name) if name != "contract case") {
                print(info);
            }
        }));
    });
}
