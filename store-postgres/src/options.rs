//! How to reach a database, and how a store uses it.

use crate::PostgresStore;
use crate::address::Address;
use midgard::store::StoreError;
use std::fmt;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

/// How to reach a database, and how a store uses it.
///
/// ```
/// use midgard_store_postgres::PostgresOptions;
/// use std::time::Duration;
///
/// let options = PostgresOptions::new("postgres://shop@db.example:5432/shop")
///     .with_password("secret")
///     .with_schema("orders")
///     .with_max_connections(16)
///     .with_wait_for_connection(Duration::from_secs(5));
/// ```
#[derive(Clone)]
#[must_use]
pub struct PostgresOptions {
    /// Or what is wrong with it, without quoting it.
    pub(crate) address: Result<Address, &'static str>,
    pub(crate) schema: String,
    pub(crate) creates_schema: bool,
    pub(crate) max_connections: usize,
    pub(crate) wait_for_connection: Duration,
    pub(crate) connect_timeout: Duration,
    #[cfg(feature = "tls")]
    pub(crate) certificate_authority: Option<PathBuf>,
    #[cfg(feature = "tls")]
    pub(crate) client_certificate: Option<(PathBuf, PathBuf)>,
}

impl PostgresOptions {
    /// Sets the address of a database: `postgres://user:password@host:5432/database`, or the key-value form of libpq.
    /// Everything but letters and digits is percent-encoded in the user and the password.
    ///
    /// Several hosts may be given, with a comma in between, and `target_session_attrs=read-write` picks the one that
    /// accepts writes. `sslmode=require` insists on TLS, for which this crate needs its feature `tls`.
    pub fn new(address: impl AsRef<str>) -> Self {
        PostgresOptions {
            address: Address::parse(address.as_ref()),
            schema: "midgard".to_owned(),
            creates_schema: true,
            max_connections: 8,
            wait_for_connection: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            certificate_authority: None,
            #[cfg(feature = "tls")]
            client_certificate: None,
        }
    }

    /// Sets the password, for programs that have it from elsewhere than the address.
    pub fn with_password(mut self, password: impl AsRef<[u8]>) -> Self {
        if let Ok(address) = &mut self.address {
            address.config.password(password);
        }
        self
    }

    /// Sets the name by which the server shows the connections of this store; the default is `midgard`.
    pub fn with_application_name(mut self, name: impl Into<String>) -> Self {
        if let Ok(address) = &mut self.address {
            address.config.application_name(name);
        }
        self
    }

    /// Sets the schema with the tables of the store; the default is `midgard`. Each schema is a store of its own.
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Does not create the schema if it is missing, so that a store is never created by a mistake in the address.
    pub const fn without_creation(mut self) -> Self {
        self.creates_schema = false;
        self
    }

    /// Sets the most connections for reads; the default is 8, the minimum 1. Writes have one more for themselves.
    /// Connections are made when they are needed.
    pub const fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = if connections == 0 { 1 } else { connections };
        self
    }

    /// Sets how long a read waits for a connection that others use; the default is 30 s. After that it fails with
    /// [`StoreError::Unreachable`].
    pub const fn with_wait_for_connection(mut self, wait: Duration) -> Self {
        self.wait_for_connection = wait;
        self
    }

    /// Sets how long connecting to a host may take; the default is 10 s.
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Trusts servers with a certificate signed by this authority, instead of those that the system trusts: a file
    /// with one or more certificates as PEM. With it, all connections use TLS.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn with_certificate_authority(mut self, path: impl Into<PathBuf>) -> Self {
        self.certificate_authority = Some(path.into());
        self
    }

    /// Sets the certificate for servers that require one from clients: files with it and its key, as PEM. With it,
    /// all connections use TLS.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Opens the store. Must be called within a tokio runtime, whose tasks serve the store from then on.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn open(self) -> Result<PostgresStore, StoreError> {
        PostgresStore::open_with(self).await
    }

    /// Returns the address for errors, without a password.
    pub(crate) fn location(&self) -> String {
        match &self.address {
            Ok(address) => address.location(),
            Err(_) => "the address that was given".to_owned(),
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("address", &self.location())
            .field("schema", &self.schema)
            .field("creates_schema", &self.creates_schema)
            .field("max_connections", &self.max_connections)
            .field("wait_for_connection", &self.wait_for_connection)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
