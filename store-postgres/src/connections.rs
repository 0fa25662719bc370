//! The connections to the database.

use crate::error::{self, Failure};
use crate::options::PostgresOptions;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
    TimeoutType, Timeouts,
};
use midgard::store::StoreError;
use std::fmt;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

/// How long the server waits for a program in the middle of a transaction, which holds the lock of the log: the
/// machine of the program may have stopped.
const STANDSTILL: Duration = Duration::from_secs(20);

/// What each connection sets. Plans must not change with statistics that are out of date: every statement of the store
/// has an index. A commit that is not on the disk is none, whatever the server's default.
const SETTINGS: &str = "\
    SELECT set_config(name, 'off', false) FROM pg_settings \
    WHERE name IN ('enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin', 'jit'); \
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit', true) = 'off'";

/// Connections to one database: some that reads share, and one that writes.
///
/// Each makes a connection when it needs one and has none that is whole, so a server that restarts is found again.
#[derive(Clone)]
pub struct Connections {
    reading: Pool,
    writing: Pool,
    options: PostgresOptions,
}

impl Connections {
    /// Prepares connections; none is made yet.
    ///
    /// # Errors
    /// When the address is malformed, or a certificate cannot be read.
    pub fn new(options: &PostgresOptions) -> Result<Self, StoreError> {
        Ok(Connections {
            reading: pool(options, options.max_connections, Use::Reading)?,
            writing: pool(options, 1, Use::Writing)?,
            options: options.clone(),
        })
    }

    /// Returns a connection that reads, when one is free.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when the server cannot be reached or all connections are used for too long,
    /// [`StoreError::Backend`] when it refuses the login.
    pub async fn reading(&self) -> Result<Object, StoreError> {
        let taken = self.reading.get().await;
        taken.map_err(|error| self.failure(error).into())
    }

    /// Returns the connection that writes.
    pub(crate) async fn writing(&self) -> Result<Object, Failure> {
        let taken = self.writing.get().await;
        taken.map_err(|error| self.failure(error))
    }

    pub(crate) const fn options(&self) -> &PostgresOptions {
        &self.options
    }

    /// Returns the address without the password.
    pub(crate) fn location(&self) -> String {
        self.options.location()
    }

    fn failure(&self, error: PoolError) -> Failure {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                error::connecting(&self.options, &error)
            }
            PoolError::Timeout(TimeoutType::Wait) => Failure::Unreachable(format!(
                "all {} connections for reads were in use for {} s; raise `with_max_connections`, or let fewer reads run at once",
                self.options.max_connections,
                self.options.wait_for_connection.as_secs_f64(),
            )),
            PoolError::Timeout(_) => Failure::Unreachable(format!(
                "the server did not answer within {} s; check that it runs, and that the network reaches it",
                self.options.connect_timeout.as_secs_f64(),
            )),
            error => Failure::Unreachable(format!("no connection can be had: {error}")),
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("options", &self.options)
            .field("reading", &self.reading.status())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Use {
    Reading,
    Writing,
}

fn pool(options: &PostgresOptions, size: usize, used: Use) -> Result<Pool, StoreError> {
    let address = options
        .address
        .as_ref()
        .map_err(|reason| unusable(*reason))?;
    let mut config = address.config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.connect_timeout);
    }
    let timeouts = Timeouts {
        wait: Some(options.wait_for_connection),
        // Connecting to a host has a timeout, but not the login that follows.
        create: Some(options.connect_timeout.saturating_mul(2)),
        recycle: None,
    };
    let set = Hook::async_fn(move |client, _| {
        Box::pin(async move {
            client
                .batch_execute(SETTINGS)
                .await
                .map_err(HookError::Backend)?;
            if used == Use::Writing {
                let standstill = STANDSTILL.as_millis();
                let set = format!("SET idle_in_transaction_session_timeout = {standstill}");
                client
                    .batch_execute(&set)
                    .await
                    .map_err(HookError::Backend)?;
            }
            Ok(())
        })
    });
    Pool::builder(manager(config, options)?)
        .max_size(size)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .post_create(set)
        .build()
        .map_err(|error| unusable(error.to_string()))
}

#[cfg(feature = "tls")]
fn manager(mut config: Config, options: &PostgresOptions) -> Result<Manager, StoreError> {
    if options.certificate_authority.is_some() || options.client_certificate.is_some() {
        config.ssl_mode(SslMode::Require);
    }
    if config.get_ssl_mode() == SslMode::Disable {
        return Ok(Manager::from_config(config, NoTls, recycling()));
    }
    let connector = crate::tls::connector(options).map_err(|error| unusable(error.to_string()))?;
    Ok(Manager::from_config(config, connector, recycling()))
}

#[cfg(not(feature = "tls"))]
fn manager(config: Config, _: &PostgresOptions) -> Result<Manager, StoreError> {
    if config.get_ssl_mode() == SslMode::Require {
        let reason =
            "its address insists on TLS; build midgard-store-postgres with its feature `tls`";
        return Err(unusable(reason));
    }
    Ok(Manager::from_config(config, NoTls, recycling()))
}

const fn recycling() -> ManagerConfig {
    ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    }
}

fn unusable(reason: impl Into<String>) -> StoreError {
    StoreError::Backend {
        action: "be opened",
        cause: reason.into().into(),
    }
}
