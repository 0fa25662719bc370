//! PostgreSQL.

use crate::certificates::Certificates;
use crate::processes::{Processes, run};
use crate::{ServerError, port, ready};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NAME: &str = "postgres";
/// The place where Debian puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
const STARTS_WITHIN: Duration = Duration::from_secs(180);

/// The package's user, for a server started by root: the server refuses to run as root.
const USER: &str = "postgres";

/// The password of the superuser, who is called as the package's user.
const PASSWORD: &str = "midgard";

/// A PostgreSQL server, with the superuser `postgres`, whose password is `midgard`. Everybody logs in with a password.
#[derive(Debug)]
pub struct Postgres {
    processes: Processes,
    programs: PathBuf,
    port: u16,
    authority: Option<String>,
}

impl Postgres {
    /// Starts a server that syncs each commit to the disk before it acknowledges it. That takes some seconds.
    ///
    /// # Errors
    /// When it is not installed, or does not answer within three minutes.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_server(true, None)
    }

    /// Starts a server that never syncs. What it has acknowledged survives a kill, but no power loss.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_unsynced() -> Result<Self, ServerError> {
        Self::start_server(false, None)
    }

    /// Starts a server that never syncs, and accepts only connections with TLS.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_tls() -> Result<Self, ServerError> {
        let certificates =
            Certificates::make().map_err(|cause| ServerError::Certificate { what: NAME, cause })?;
        Self::start_server(false, Some(&certificates))
    }

    fn start_server(syncs: bool, certificates: Option<&Certificates>) -> Result<Self, ServerError> {
        let programs = newest_programs().ok_or_else(|| ServerError::Missing {
            what: NAME,
            looked_at: format!("{VERSIONS}/*/bin/postgres"),
        })?;
        let processes = Processes::new(NAME)?;
        let mut server = Self {
            processes,
            programs,
            port: port::free().map_err(ServerError::prepare(NAME, "finding a free port"))?,
            authority: certificates.map(|certificates| certificates.authority.clone()),
        };
        server
            .configure(syncs, certificates)
            .map_err(ServerError::prepare(NAME, "making its database"))?;
        server.restart()?;
        Ok(server)
    }

    /// Returns the address of its first database, for the superuser:
    /// `postgres://postgres:midgard@127.0.0.1:PORT/postgres`. It stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> String {
        self.address_of("postgres")
    }

    /// Creates an empty database, and returns its address for the superuser.
    ///
    /// # Errors
    /// When there already is one of this name, or the server does not run.
    pub fn create_database(&self, name: &str) -> Result<String, ServerError> {
        self.query("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        Ok(self.address_of(name))
    }

    /// Runs SQL in a database as the superuser, one statement after the other, and returns the values, with a line for
    /// each row and a tab between columns.
    ///
    /// # Errors
    /// When a statement fails, or the server does not run; the error contains its message.
    pub fn query(&self, database: &str, sql: &str) -> Result<String, ServerError> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--field-separator", "\t", "--set", "ON_ERROR_STOP=1"])
            .arg(self.address_of(database))
            .args(["--command", sql])
            .env("LC_ALL", "C.UTF-8");
        run(&mut psql).map_err(ServerError::prepare(NAME, "running SQL"))
    }

    /// Returns the port, which stays the same over restarts.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the certificate of the authority that a client must trust, as PEM, for a server with TLS.
    #[must_use]
    pub fn certificate_authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Kills the server with all its processes. What it had acknowledged is there after a restart.
    pub fn kill(&mut self) {
        self.processes.kill_with_descendants();
    }

    /// Lets the server stop by itself. It ends all connections, and what they had not committed is undone.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.processes.interrupt()
    }

    /// Starts the server again with the same data and port. One that still runs is killed before.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        let data = self.data();
        let mut command = self.command("postgres");
        self.processes.start(command.arg("-D").arg(data))?;
        let port = self.port;
        self.processes
            .wait_until(STARTS_WITHIN, || ready::speaks_postgres(port))
    }

    fn address_of(&self, database: &str) -> String {
        let port = self.port;
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}")
    }

    fn data(&self) -> PathBuf {
        self.processes.directory().join("data")
    }

    /// Makes the files of the server.
    fn configure(&self, syncs: bool, certificates: Option<&Certificates>) -> io::Result<()> {
        let directory = self.processes.directory();
        let password = directory.join("password");
        fs::write(&password, PASSWORD)?;
        own(directory)?;
        run(self
            .command("initdb")
            .arg("--pgdata")
            .arg(self.data())
            .arg("--pwfile")
            .arg(&password)
            .args(["--username", USER, "--auth", "scram-sha-256"])
            .args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]))?;

        let configuration = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&configuration)?;
        let on_or_off = if syncs { "on" } else { "off" };
        text += &format!(
            "listen_addresses = '127.0.0.1'\n\
             port = {}\n\
             unix_socket_directories = ''\n\
             max_connections = 300\n\
             fsync = {on_or_off}\n\
             full_page_writes = {on_or_off}\n",
            self.port
        );
        if let Some(certificates) = certificates {
            let certificate = directory.join("server.pem");
            let key = directory.join("server-key.pem");
            fs::write(&certificate, &certificates.server)?;
            fs::write(&key, &certificates.server_key)?;
            fs::set_permissions(&key, Permissions::from_mode(0o600))?;
            text += &format!(
                "ssl = on\n\
                 ssl_cert_file = '{}'\n\
                 ssl_key_file = '{}'\n",
                certificate.display(),
                key.display()
            );
            fs::write(
                self.data().join("pg_hba.conf"),
                "hostssl all all 127.0.0.1/32 scram-sha-256\n",
            )?;
        }
        fs::write(&configuration, text)?;
        own(directory)
    }

    /// Returns a command of this server, run as the package's user if root runs this.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", USER, "--regid", USER, "--init-groups", "--"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        let directory = self.processes.directory();
        command
            .current_dir(directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", directory)
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

/// Returns the directory with the programs of the newest version that is installed.
fn newest_programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.flatten();
    let numbers = versions.filter_map(|version| {
        let programs = version.path().join("bin");
        let is_whole = ["postgres", "initdb", "psql"]
            .iter()
            .all(|program| programs.join(program).exists());
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        is_whole.then_some((number, programs))
    });
    numbers.max().map(|(_, programs)| programs)
}

/// Gives a directory to the package's user if root runs this.
fn own(directory: &Path) -> io::Result<()> {
    if is_root() {
        run(Command::new("chown")
            .args(["-R", &format!("{USER}:")])
            .arg(directory))?;
    }
    Ok(())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
