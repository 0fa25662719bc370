//! The transport of the connection: TCP, or TLS over it, with incoming frames made readable.

use crate::readable::{frame_size, make_readable};
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// No frame is larger than this, whatever the broker's settings.
const LARGEST: usize = 64 << 20;

/// Connects to a broker, in the tokio runtime of this handle.
pub(crate) async fn connect(
    uri: AMQPUri,
    tls: OwnedTLSConfig,
    properties: ConnectionProperties,
    handle: Handle,
) -> lapin::Result<Connection> {
    let tokio = Tokio::default().with_handle(handle);
    let network = Runtime::new(tokio.clone());
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), Network(tokio)));
    let connect = async move |uri: AMQPUri, _| {
        let stream = uri
            .connect_with_config_async(tls.as_ref(), &network)
            .await?;
        Ok(AsyncTcpStream::Plain(Readable::new(stream)))
    };
    Connection::connector(uri, runtime, connect, properties).await
}

type Tcp = <Tokio as Reactor>::TcpStream;

/// The tokio runtime, with readable streams.
#[derive(Debug, Clone)]
struct Network(Tokio);

impl Reactor for Network {
    type TcpStream = Readable;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// Connections are made with the other method.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Readable, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Readable>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Readable::new(AsyncTcpStream::Plain(connecting.await?))) }
    }
}

/// A stream whose frames are made readable.
struct Readable {
    stream: AsyncTcpStream<Tcp>,
    /// The received bytes: `ready` bytes of scanned whole frames, of which `given` were read, and then an incomplete
    /// frame.
    bytes: Vec<u8>,
    given: usize,
    ready: usize,
}

impl Readable {
    fn new(stream: AsyncTcpStream<Tcp>) -> Self {
        Readable {
            stream,
            bytes: Vec::new(),
            given: 0,
            ready: 0,
        }
    }

    /// Scans all whole frames.
    fn look(&mut self) {
        while let Some(rest) = self.bytes.get_mut(self.ready..)
            && let Some(size) = frame_size(rest)
        {
            if size > LARGEST {
                // No frame begins here. The client will report it.
                self.ready = self.bytes.len();
            } else if let Some(frame) = rest.get_mut(..size) {
                make_readable(frame);
                self.ready += size;
            } else {
                return;
            }
        }
    }

    /// Reads more from the network; returns how much, which is 0 at the end.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.bytes.drain(..self.given);
        self.ready -= self.given;
        self.given = 0;
        let whole = self.bytes.len();
        self.bytes.resize(whole + CHUNK, 0);
        let read = Pin::new(&mut self.stream).poll_read(context, &mut self.bytes[whole..]);
        let more = match &read {
            Poll::Ready(Ok(more)) => *more,
            _ => 0,
        };
        self.bytes.truncate(whole + more);
        read
    }
}

impl AsyncRead for Readable {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        while this.given == this.ready {
            if ready!(this.poll_more(context))? == 0 {
                return Poll::Ready(Ok(0));
            }
            this.look();
        }
        let ready = &this.bytes[this.given..this.ready];
        let bytes = ready.len().min(into.len());
        into[..bytes].copy_from_slice(&ready[..bytes]);
        this.given += bytes;
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for Readable {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(context)
    }
}

impl fmt::Debug for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readable").finish_non_exhaustive()
    }
}
