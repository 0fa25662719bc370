//! What the tests of servers share.
#![allow(clippy::unwrap_used)]

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The socket address in the address of a server.
pub(crate) fn socket_address(address: &str) -> SocketAddr {
    let host = address.rsplit('@').next().unwrap();
    let host = host.rsplit("//").next().unwrap();
    host.split('/').next().unwrap().parse().unwrap()
}

/// A connection that does not wait for ever.
pub(crate) fn connect(address: &str) -> TcpStream {
    let connection = TcpStream::connect(socket_address(address)).unwrap();
    let patience = Some(Duration::from_secs(180));
    connection.set_read_timeout(patience).unwrap();
    connection
}

/// TLS over `connection` with a server that calls itself `name`, for a client that trusts `authority`.
pub(crate) fn secure(
    connection: TcpStream,
    name: &'static str,
    authority: Option<&str>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut trusted = RootCertStore::empty();
    if let Some(authority) = authority {
        let authority = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
        trusted.add(authority).unwrap();
    }
    let config = ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).unwrap(),
        connection,
    )
}
