//! One connection, which never reconnects.
//!
//! A client that reconnects by itself sends what it had not sent before: the rest of a batch whose earlier messages
//! are lost. They would be in the stream before those, and so out of order. So a session ends with its connection,
//! and its unsent messages are dropped; the next use opens another session.

use crate::login;
use crate::options::NatsOptions;
use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{AuthError, Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use midgard::EventId;
use midgard::bus::BusError;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// The longest time to connect, and for an answer of the server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// The oldest version of the server that can be used.
const OLDEST: (i64, i64) = (2, 12);
/// How many messages are on their way to the stream at once.
pub(crate) const WINDOW: usize = 2048;

/// The sizes of the largest messages that the streams accept, in bytes.
pub(crate) struct Sizes {
    pub(crate) messages: usize,
    pub(crate) dead: usize,
}

impl Default for Sizes {
    /// As large as the server accepts.
    fn default() -> Self {
        Sizes {
            messages: usize::MAX,
            dead: usize::MAX,
        }
    }
}

pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    location: String,
    lost: Arc<watch::Sender<bool>>,
    sizes: Sizes,
    /// How many messages are still to be sent one by one because the stream has refused one.
    pub(crate) one_by_one: AtomicUsize,
}

impl Session {
    /// Connects, and checks that the server can be used.
    pub(crate) async fn open(options: &NatsOptions) -> Result<Session, BusError> {
        let location = options.location();
        let unusable = |reason: String| BusError::Unusable {
            location: location.clone(),
            reason,
        };
        let given = options.addresses.as_ref();
        let mut addresses = Vec::new();
        for address in given.map_err(|reason| unusable((*reason).to_owned()))? {
            let address: ServerAddr = address.parse().map_err(|error| {
                unusable(format!("{address} is not an address of a server ({error})"))
            })?;
            addresses.push(address);
        }
        let lost = Arc::new(watch::Sender::new(false));
        let is_made = Arc::new(AtomicBool::new(false));
        let connect = connect_options(
            options,
            addresses.len(),
            Arc::clone(&lost),
            Arc::clone(&is_made),
        );
        let client = connect.connect(addresses).await.map_err(|error| {
            let reason = match error.kind() {
                ConnectErrorKind::AuthorizationViolation => {
                    "it does not let this user in; check the user, the password, the token or the credentials"
                }
                ConnectErrorKind::Authentication => "the credentials cannot be used",
                ConnectErrorKind::Tls => "TLS cannot be set up; check the certificates",
                ConnectErrorKind::Io if options.insists_on_tls() && is_invalid(&error) => {
                    "TLS cannot be set up; check whether the server offers it: where certificates are given, no connection is made without TLS"
                }
                _ => return unavailable(&location, "be reached", error),
            };
            unusable(format!("{reason} ({})", chain(&error)))
        })?;
        // Nothing was sent before this.
        is_made.store(true, Ordering::SeqCst);
        let jetstream = ContextBuilder::new()
            .timeout(PATIENCE)
            .max_ack_inflight(1 << 30)
            .build(client.clone());
        let session = Session {
            client,
            jetstream,
            location,
            lost,
            sizes: Sizes::default(),
            one_by_one: AtomicUsize::new(0),
        };
        let version = session.client.server_info().version;
        if !session.client.is_server_compatible(OLDEST.0, OLDEST.1, 0) {
            let (major, minor) = OLDEST;
            return Err(session.unusable(format!(
                "the server is NATS {version}, and {major}.{minor} or newer is needed; upgrade the server"
            )));
        }
        tracing::debug!(location = session.location, version, "the bus is connected");
        Ok(session)
    }

    /// Returns the same session, for streams that accept messages of these sizes.
    pub(crate) fn with_sizes(self, sizes: Sizes) -> Self {
        Session { sizes, ..self }
    }

    /// Returns the size of the largest message that can be published, in bytes, with its headers.
    pub(crate) fn largest_message(&self) -> usize {
        self.client.max_payload().min(self.sizes.messages)
    }

    /// Returns the size of the largest message that can be set aside.
    pub(crate) fn largest_letter(&self) -> usize {
        self.client.max_payload().min(self.sizes.dead)
    }

    /// Returns whether it can no longer be used.
    pub(crate) fn is_lost(&self) -> bool {
        *self.lost.borrow()
            || self.client.connection_state() == async_nats::connection::State::Disconnected
    }

    /// Gives it up.
    pub(crate) fn give_up(&self) {
        self.lost.send_replace(true);
    }

    /// Waits for an answer, as long as the connection lasts.
    pub(crate) async fn answer<T, E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        action: &'static str,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, BusError> {
        let mut lost = self.lost.subscribe();
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|error| self.unavailable(action, error)),
            _ = lost.wait_for(|lost| *lost) => Err(self.unavailable(action, "the connection was lost")),
        }
    }

    /// Waits until it is lost.
    pub(crate) async fn lost(&self) {
        // An error means that the sender is gone, and the sender lives as long as this.
        let _ = self.lost.subscribe().wait_for(|lost| *lost).await;
    }

    pub(crate) fn unavailable(
        &self,
        action: &'static str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> BusError {
        unavailable(&self.location, action, cause)
    }

    pub(crate) fn full(&self, confirmed: usize, unheard: Vec<usize>, reason: String) -> BusError {
        BusError::Full {
            location: self.location.clone(),
            confirmed,
            unheard,
            reason,
        }
    }

    pub(crate) fn unusable(&self, reason: String) -> BusError {
        BusError::Unusable {
            location: self.location.clone(),
            reason,
        }
    }
}

/// Checks that the tokio runtime is there: the client would panic without it.
pub(crate) fn check_runtime(location: impl FnOnce() -> String) -> Result<(), BusError> {
    if tokio::runtime::Handle::try_current().is_ok() {
        return Ok(());
    }
    Err(BusError::Unusable {
        location: location(),
        reason:
            "it is used outside of a tokio runtime; call it in one, with its time and io enabled"
                .to_owned(),
    })
}

pub(crate) fn unavailable(
    location: &str,
    action: &'static str,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> BusError {
    BusError::Unavailable {
        location: location.to_owned(),
        action,
        cause: cause.into(),
    }
}

/// Returns an error and its causes, as one text.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text
}

/// Returns whether the received bytes are not TLS.
fn is_invalid(error: &dyn Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::InvalidData;
        }
        source = error.source();
    }
    false
}

fn connect_options(
    options: &NatsOptions,
    addresses: usize,
    lost: Arc<watch::Sender<bool>>,
    is_made: Arc<AtomicBool>,
) -> ConnectOptions {
    let login = Arc::new(options.login.clone());
    // The client calls this before it talks to a server, for each connection that it makes.
    let mut connect = ConnectOptions::with_auth_callback(move |nonce| {
        let (login, is_made) = (Arc::clone(&login), Arc::clone(&is_made));
        async move {
            if is_made.load(Ordering::SeqCst) {
                return Err(AuthError::new(
                    "a lost connection is replaced by a new client",
                ));
            }
            login::auth(&login, &nonce).await.map_err(AuthError::new)
        }
    })
    .name("midgard")
    // A fork copies the client's own generator of names: two children would get each other's answers.
    .custom_inbox_prefix(format!("_INBOX.{}", EventId::new()))
    .connection_timeout(PATIENCE)
    .ping_interval(Duration::from_secs(10))
    .request_timeout(Some(PATIENCE))
    .ignore_discovered_servers()
    .max_reconnects(addresses)
    .reconnect_delay_callback(|_| Duration::ZERO)
    .event_callback(move |event| {
        tracing::trace!(nats_event = %event, "NATS");
        if matches!(event, Event::Disconnected | Event::Closed) {
            lost.send_replace(true);
        }
        async {}
    });
    if options.insists_on_tls() {
        connect = connect.require_tls(true);
    }
    if let Some(path) = &options.certificate_authority {
        connect = connect.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = &options.client_certificate {
        connect = connect.add_client_certificate(certificate.clone(), key.clone());
    }
    connect
}
