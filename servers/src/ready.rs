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

/// Returns whether a PostgreSQL server at `port` accepts logins: it asks the user `postgres` for a password, or for TLS.
/// While it starts or recovers, it says that it cannot be used yet.
pub(crate) fn speaks_postgres(port: u16) -> bool {
    let parameters = b"user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(8 + parameters.len()).unwrap_or_default();
    let mut request = length.to_be_bytes().to_vec();
    request.extend_from_slice(&[0, 3, 0, 0]);
    request.extend_from_slice(parameters);
    let is_ready = |connection: &mut TcpStream| {
        connection.write_all(&request)?;
        let mut kind = [0];
        connection.read_exact(&mut kind)?;
        if kind == *b"R" {
            return Ok(true);
        }
        let mut error = Vec::new();
        connection.read_to_end(&mut error)?;
        // Invalid authorization: nobody may log in without TLS.
        Ok::<_, io::Error>(error.windows(6).any(|code| code == b"C28000"))
    };
    connect(port).is_ok_and(|mut connection| is_ready(&mut connection).unwrap_or(false))
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
