//! Ports for servers.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

const FIRST: u16 = 15_000;
const TRIES: usize = 1_000;

/// Returns a port of the loopback interface that nobody listens on, and that no program gets from here until this one ends.
///
/// It lies below the ports that the kernel uses for outgoing connections. A port among those could be taken by any
/// connection of the machine while the server is down, or a client that tries to reconnect could reach itself.
pub(crate) fn free() -> io::Result<u16> {
    /// What tells other programs that a port is given, before its server listens and while that is down: the port of the
    /// same number for UDP, which no server here uses. The kernel gives it back however this program ends.
    static GIVEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);

    let span = u64::from(first_of_outgoing().saturating_sub(FIRST).max(1));
    for _ in 0..TRIES {
        let random = RandomState::new().hash_one(given.len());
        let port = FIRST + u16::try_from(random % span).unwrap_or_default();
        let Ok(claim) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else {
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.push(claim);
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

#[cfg(test)]
mod tests {
    use super::free;
    use std::collections::HashSet;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::{Command, Stdio};

    /// Not a test of its own: takes ports, says which, and keeps them until it may end.
    #[test]
    fn child_takes_ports() {
        if std::env::var_os("MIDGARD_TEST_CHILD").is_some() {
            let ports = (0..200).map(|_| free().unwrap().to_string());
            let ports = ports.collect::<Vec<_>>().join(" ");
            write!(std::io::stdout(), "\ntook {ports}\n").unwrap();
            let _ = std::io::stdin().read(&mut [0]);
        }
    }

    #[test]
    fn two_programs_never_get_the_same_port() {
        let mut other = Command::new(std::env::current_exe().unwrap())
            .args(["port::tests::child_takes_ports", "--exact", "--nocapture"])
            .env("MIDGARD_TEST_CHILD", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
        let theirs = lines.find_map(|line| Some(line.unwrap().strip_prefix("took ")?.to_owned()));
        let theirs: HashSet<u16> = theirs
            .unwrap()
            .split(' ')
            .map(|port| port.parse().unwrap())
            .collect();
        assert_eq!(theirs.len(), 200);
        for _ in 0..300 {
            let port = free().unwrap();
            assert!(!theirs.contains(&port), "{port} was given twice");
        }
        drop(other.stdin.take());
        assert!(other.wait().unwrap().success());
    }
}
