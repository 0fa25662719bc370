//! Checks that a server answers in its protocol.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The longest time for one request, which is then repeated.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns whether something accepts connections at `port`.
pub(crate) fn accepts(port: u16) -> bool {
    connect(port).is_ok()
}

/// Returns whether a server at `port` answers to AMQP 0-9-1, with the method `connection.start`.
pub(crate) fn speaks_amqp(port: u16) -> bool {
    answer(port, b"AMQP\x00\x00\x09\x01").is_ok_and(|frame| frame == [1, 0, 0])
}

/// Returns whether a server at `port` greets as NATS does, which also happens before TLS.
pub(crate) fn speaks_nats(port: u16) -> bool {
    answer(port, b"").is_ok_and(|greeting| greeting == *b"INF")
}

fn answer(port: u16, request: &[u8]) -> io::Result<[u8; 3]> {
    let mut connection = connect(port)?;
    connection.write_all(request)?;
    let mut answer = [0; 3];
    connection.read_exact(&mut answer)?;
    Ok(answer)
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}
