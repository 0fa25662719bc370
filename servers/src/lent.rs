//! Nodes that are lent to one test after another.

use crate::{RabbitMq, ServerError};
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// How many of them run in one program at the same time: each that starts keeps a core busy for some seconds, and its test waits
/// for longer than that.
const AT_ONCE: usize = 3;

static NODES: Nodes = Nodes {
    state: Mutex::new(State {
        free: Vec::new(),
        lent: 0,
    }),
    returned: Condvar::new(),
};

#[derive(Debug)]
struct Nodes {
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug)]
struct State {
    free: Vec<RabbitMq>,
    lent: usize,
}

/// A RabbitMQ node that one test alone uses, and may kill and restart, until it drops this. Then another test gets it,
/// with all that was declared there, unless the test failed or left it killed.
#[derive(Debug)]
pub struct LentRabbitMq {
    /// Empty until it has started, and when it is given back.
    node: Option<RabbitMq>,
}

impl LentRabbitMq {
    /// Waits until another test gives a node back, or starts one if fewer run than may at once.
    pub(crate) fn borrow() -> Result<Self, ServerError> {
        let state = NODES.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = NODES
            .returned
            .wait_while(state, |state| state.lent == AT_ONCE)
            .unwrap_or_else(PoisonError::into_inner);
        state.lent += 1;
        let mut lent = Self {
            node: state.free.pop(),
        };
        drop(state);
        if lent.node.is_none() {
            lent.node = Some(RabbitMq::start()?);
        }
        Ok(lent)
    }
}

impl Deref for LentRabbitMq {
    type Target = RabbitMq;

    fn deref(&self) -> &RabbitMq {
        self.node.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for LentRabbitMq {
    fn deref_mut(&mut self) -> &mut RabbitMq {
        self.node.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for LentRabbitMq {
    fn drop(&mut self) {
        let usable = |node: &RabbitMq| node.is_running() && !thread::panicking();
        let node = self.node.take().filter(usable);
        let mut state = NODES.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lent -= 1;
        state.free.extend(node);
        NODES.returned.notify_one();
    }
}
