//! Messages between services: what leaves by the outbox, what the inbox makes of what comes, and clients of commands; on
//! stores in memory and buses within the process, some of them broken on purpose.

mod client;
mod ends;
mod inbox;
mod kit;
mod limits;
mod notes;
mod outbox;
mod parking;
mod replies;
