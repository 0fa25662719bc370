//! Long work that shares its thread with others.

use std::future::poll_fn;
use std::mem::replace;
use std::task::Poll;

/// Lets other futures of the same thread have a turn. For stores: a read of many events calls it now and then.
pub async fn give_way() {
    let mut is_given = false;
    poll_fn(|context| {
        if replace(&mut is_given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
