//! How the servers are reached, and what the bus keeps there.

use crate::addresses;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How NATS is reached, and what the bus keeps there.
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
/// All programs that use one bus give the same stream, prefix and times.
#[derive(Clone)]
#[must_use]
pub struct NatsOptions {
    /// Without users and passwords; or what is wrong with them, without a word of them.
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

/// As whom the bus logs in.
#[derive(Clone)]
pub(crate) enum Login {
    Nobody,
    User { name: String, password: String },
    Token(String),
    CredentialsFile(PathBuf),
}

impl NatsOptions {
    /// A server, or several of one cluster with commas in between: `nats://host:4222`, or `tls://host:4222` to
    /// insist on TLS. A user and password may stand in the first, as in `nats://user:password@host`; what is no letter or
    /// digit in them is percent-encoded. With `nats://` the server decides whether TLS is used, unless there is a
    /// [certificate](Self::with_certificate_authority) to look at or to show.
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

    /// Logs in with a credentials file, as `nsc` writes them. It is read at each connection.
    pub fn with_credentials_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.login = Login::CredentialsFile(path.into());
        self
    }

    /// Trusts servers whose certificates this authority has signed, beside those that the system trusts: a file
    /// with one or more certificates as PEM.
    ///
    /// With it, no connection is made without TLS, to `nats://` addresses neither.
    pub fn with_certificate_authority(mut self, path: impl Into<PathBuf>) -> Self {
        self.certificate_authority = Some(path.into());
        self
    }

    /// Shows servers that ask for one a certificate: files with it and its key, as PEM. As with an authority, no connection
    /// is made without TLS then.
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some((certificate.into(), key.into()));
        self
    }

    /// The name of the stream; `MIDGARD` when nothing is said. What is set aside is kept in a second one, whose name
    /// ends in `_DEAD`.
    pub fn with_stream(mut self, name: impl Into<String>) -> Self {
        self.stream = name.into();
        self
    }

    /// What the subjects of messages begin with; `midgard` when nothing is said: `midgard.event.order.placed`.
    /// What is set aside has subjects with `_dead` after it: `midgard_dead.customers`.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many servers of a cluster keep each message, when the streams are made; 1 when nothing is said.
    pub const fn with_replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// How long a receiver may be silent before another takes over, and is given what it had not settled; 5 s when
    /// nothing is said, 1 s at least. A receiver that is at work is never silent, however long its handlers take;
    /// one whose process is stopped for so long loses its place.
    pub fn with_takeover_after(mut self, silence: Duration) -> Self {
        self.takeover_after = silence.max(Duration::from_secs(1));
        self
    }

    /// For how long the server recognises a message that is published again, when the stream is made; 2 minutes
    /// when nothing is said. Its ids are kept in memory.
    pub const fn with_duplicate_window(mut self, window: Duration) -> Self {
        self.duplicate_window = window;
        self
    }

    /// The addresses, as errors show them.
    pub(crate) fn location(&self) -> String {
        match &self.addresses {
            Ok(addresses) => addresses.join(","),
            Err(_) => "the address that was given".to_owned(),
        }
    }

    /// Whether no connection is made without TLS, whatever the address says.
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

/// Without what is secret.
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
