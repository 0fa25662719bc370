//! What is traced while something runs, whatever the other tests of the program do meanwhile.

use std::sync::OnceLock;
use tracing::subscriber::with_default;
use tracing::{Dispatch, Subscriber, subscriber::NoSubscriber};

/// Runs `work` with what it traces on this thread sent to `subscriber`.
///
/// While there is one subscriber in a program, `tracing` asks the thread that comes to a line first whether anybody wants
/// the line, and keeps the answer for good: another test's thread, which has no subscriber, would silence it. With two
/// more, all subscribers are asked, on whatever thread.
pub(crate) fn traced_to(subscriber: impl Subscriber + Send + Sync + 'static, work: impl FnOnce()) {
    static OTHERS: OnceLock<[Dispatch; 2]> = OnceLock::new();
    OTHERS.get_or_init(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::new())));
    with_default(subscriber, work);
}
