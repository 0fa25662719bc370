//! Ports for servers.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

const FIRST: u16 = 15_000;
const TRIES: usize = 1_000;

/// Returns a port of the loopback interface that nobody listens on.
///
/// It lies below the ports that the kernel uses for outgoing connections. A port among those could be taken by any
/// connection of the machine while the server is down, or a client that tries to reconnect could reach itself.
pub(crate) fn free() -> io::Result<u16> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();

    let span = u64::from(first_of_outgoing().saturating_sub(FIRST).max(1));
    for _ in 0..TRIES {
        let random = RandomState::new().hash_one(given.len());
        let port = FIRST + u16::try_from(random % span).unwrap_or_default();
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Returns the first port that the kernel uses for outgoing connections.
fn first_of_outgoing() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(32_768)
}
