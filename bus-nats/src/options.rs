//! How to reach the servers, and what the bus keeps there.

use crate::addresses;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach NATS, and what the bus keeps there.
///
/// ```
/// use midgard_bus_nats::NatsOptions;
/// use std::time::Duration;
///
/// let options = NatsOptions::new("tls://nats-1.example:4222,tls://nats-2.example:4222")
///     .with_certificate_authority("/etc/ssl/nats-ca.pem")
///     .with_credentials_file("/run/secrets/orders.creds")
///     .with_replicas(3)
///     .with_takeover_after(Duration::from_secs(10));
/// ```
///
/// All programs that use one bus must use the same stream, prefix and times.
#[derive(Clone)]
#[must_use]
pub struct NatsOptions {
    /// Without users and passwords; or what is wrong with the addresses, without quoting them.
    pub(crate) addresses: Result<Vec<String>, &'static str>,
    pub(crate) login: Login,
    pub(crate) certificate_authority: Option<PathBuf>,
    pub(crate) client_certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) stream: String,
    pub(crate) prefix: String,
    pub(crate) replicas: usize,
    pub(crate) takeover_after: Duration,
    pub(crate) duplicate_window: Duration,
}

/// The login of the bus.
#[derive(Clone)]
pub(crate) enum Login {
    Nobody,
    User { name: String, password: String },
    Token(String),
    CredentialsFile(PathBuf),
}

impl NatsOptions {
    /// Sets the address of a server, or of several in one cluster with commas in between: `nats://host:4222`, or
    /// `tls://host:4222` to insist on TLS. The first may contain a user and password, as in
    /// `nats://user:password@host`; everything but letters and digits in them is percent-encoded. With `nats://` the
    /// server decides whether TLS is used, unless a [certificate](Self::with_certificate_authority) is set.
    pub fn new(addresses: impl AsRef<str>) -> Self {
        let (addresses, login) = addresses::parse(addresses.as_ref());
        NatsOptions {
            addresses,
            login,
            certificate_authority: None,
            client_certificate: None,
            stream: "MIDGARD".to_owned(),
            prefix: "midgard".to_owned(),
            replicas: 1,
            takeover_after: Duration::from_secs(5),
            duplicate_window: Duration::from_secs(120),
        }
    }

    /// Logs in with a user and a password.
    pub fn with_user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Login::User {
            name: name.into(),
            password: password.into(),
        };
        self
    }

    /// Logs in with a token.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.login = Login::Token(token.into());
        self
    }

    /// Logs in with a credentials file, as written by `nsc`. The file is read for each connection.
    pub fn with_credentials_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.login = Login::CredentialsFile(path.into());
        self
    }

    /// Trusts servers with a certificate signed by this authority, in addition to those that the system trusts: a
    /// file with one or more certificates as PEM.
    ///
    /// With it, all connections use TLS, even to `nats://` addresses.
    pub fn with_certificate_authority(mut self, path: impl Into<PathBuf>) -> Self {
        self.certificate_authority = Some(path.into());
        self
    }

    /// Sets the certificate for servers that require one from clients: files with it and its key, as PEM. With it,
    /// all connections use TLS.
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Sets the name of the stream; the default is `MIDGARD`. Messages that are set aside are kept in a second
    /// stream, whose name ends in `_DEAD`.
    pub fn with_stream(mut self, name: impl Into<String>) -> Self {
        self.stream = name.into();
        self
    }

    /// Sets the prefix of the subjects of messages; the default is `midgard`: `midgard.event.order.placed`. The
    /// subjects of messages that are set aside have `_dead` after it: `midgard_dead.customers`.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how many servers of a cluster keep each message, for streams that the bus creates; the default is 1.
    pub const fn with_replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets how long a receiver may be silent before another takes over and gets its unsettled messages; the default
    /// is 5 s, the minimum 1 s. A working receiver is never silent, however long its handlers take; one whose process
    /// is stopped for that long loses its place.
    pub fn with_takeover_after(mut self, silence: Duration) -> Self {
        self.takeover_after = silence.max(Duration::from_secs(1));
        self
    }

    /// Sets for how long the server recognises a message that is published again, for a stream that the bus creates;
    /// the default is 2 minutes. The server keeps the ids in memory.
    pub const fn with_duplicate_window(mut self, window: Duration) -> Self {
        self.duplicate_window = window;
        self
    }

    /// Returns the addresses for errors.
    pub(crate) fn location(&self) -> String {
        match &self.addresses {
            Ok(addresses) => addresses.join(","),
            Err(_) => "the address that was given".to_owned(),
        }
    }

    /// Returns whether all connections use TLS, whatever the address says.
    pub(crate) const fn insists_on_tls(&self) -> bool {
        self.certificate_authority.is_some() || self.client_certificate.is_some()
    }
}

impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOptions")
            .field("addresses", &self.addresses)
            .field("login", &self.login)
            .field("certificate_authority", &self.certificate_authority)
            .field("stream", &self.stream)
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .field("takeover_after", &self.takeover_after)
            .field("duplicate_window", &self.duplicate_window)
            .finish_non_exhaustive()
    }
}

/// Without secrets.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::Nobody => f.write_str("Nobody"),
            Login::User { name, .. } => write!(f, "User({name:?})"),
            Login::Token(_) => f.write_str("Token"),
            Login::CredentialsFile(path) => write!(f, "CredentialsFile({})", path.display()),
        }
    }
}
