//! NATS with JetStream.

use crate::certificates::Certificates;
use crate::processes::Processes;
use crate::{ServerError, port, ready};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NAME: &str = "nats-server";
const STARTS_WITHIN: Duration = Duration::from_secs(180);

/// The place where `scripts/setup` puts the current version.
const CURRENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.servers/bin/nats-server");

/// The place where Debian puts its old version.
const OLD: &str = "/usr/sbin/nats-server";

/// A NATS server with JetStream, which syncs each write to the disk before it acknowledges it, unless it is started
/// otherwise.
#[derive(Debug)]
pub struct Nats {
    processes: Processes,
    program: PathBuf,
    port: u16,
    authority: Option<String>,
}

impl Nats {
    /// Starts a server.
    ///
    /// # Errors
    /// When it is not installed, or does not answer within three minutes.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_program(CURRENT, true, None)
    }

    /// Starts a server that syncs its writes every two minutes, as NATS does by default.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_unsynced() -> Result<Self, ServerError> {
        Self::start_program(CURRENT, false, None)
    }

    /// Starts a server that accepts only connections with TLS.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_tls() -> Result<Self, ServerError> {
        let certificates =
            Certificates::make().map_err(|cause| ServerError::Certificate { what: NAME, cause })?;
        Self::start_program(CURRENT, true, Some(certificates))
    }

    /// Starts version 2.9 as packaged by Debian, which ignores unknown features of JetStream, such as atomic batches.
    ///
    /// It cannot sync each write.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_old() -> Result<Self, ServerError> {
        Self::start_program(OLD, false, None)
    }

    fn start_program(
        program: &str,
        syncs: bool,
        certificates: Option<Certificates>,
    ) -> Result<Self, ServerError> {
        if !Path::new(program).exists() {
            return Err(ServerError::Missing {
                what: NAME,
                looked_at: program.to_owned(),
            });
        }
        let processes = Processes::new(NAME)?;
        let port = port::free().map_err(ServerError::prepare(NAME, "finding a free port"))?;
        configure(processes.directory(), port, syncs, certificates.as_ref())
            .map_err(ServerError::prepare(NAME, "writing its configuration"))?;
        let mut server = Self {
            processes,
            program: program.into(),
            port,
            authority: certificates.map(|certificates| certificates.authority),
        };
        server.restart()?;
        Ok(server)
    }

    /// Returns its address: `nats://127.0.0.1:PORT`, or `tls://127.0.0.1:PORT` with TLS. It stays the same over
    /// restarts.
    #[must_use]
    pub fn address(&self) -> String {
        let scheme = if self.authority.is_some() {
            "tls"
        } else {
            "nats"
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Returns the certificate of the authority that a client must trust, as PEM, for a server with TLS.
    #[must_use]
    pub fn certificate_authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Kills the server. Unwritten data is lost.
    pub fn kill(&mut self) {
        self.processes.kill();
    }

    /// Lets the server stop by itself.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.processes.stop()
    }

    /// Starts the server again with the same data and port. One that still runs is killed before.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.processes.kill();
        let configuration = self.processes.directory().join("nats.conf");
        let mut command = Command::new(&self.program);
        self.processes.start(command.arg("-c").arg(configuration))?;
        let port = self.port;
        self.processes
            .wait_until(STARTS_WITHIN, || ready::speaks_nats(port))
    }
}

fn configure(
    directory: &Path,
    port: u16,
    syncs: bool,
    certificates: Option<&Certificates>,
) -> std::io::Result<()> {
    let sync = if syncs { ", sync_interval: always" } else { "" };
    let store = directory.join("jetstream");
    let mut configuration = format!(
        "server_name: midgard-{port}\n\
         listen: 127.0.0.1:{port}\n\
         max_payload: 8MB\n\
         jetstream {{ store_dir: {store:?}, max_mem: 256M, max_file: 2G{sync} }}\n"
    );
    if let Some(certificates) = certificates {
        let certificate = directory.join("server.pem");
        let key = directory.join("server-key.pem");
        fs::write(&certificate, &certificates.server)?;
        fs::write(&key, &certificates.server_key)?;
        configuration += &format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}\n");
    }
    fs::write(directory.join("nats.conf"), configuration)
}
