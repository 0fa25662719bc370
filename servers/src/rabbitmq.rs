//! RabbitMQ.

use crate::certificates::Certificates;
use crate::processes::{Processes, run};
use crate::{ServerError, port, ready};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

const NAME: &str = "rabbitmq-server";
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";
/// Starting takes some seconds, and much longer where many start at once on a small machine.
const STARTS_WITHIN: Duration = Duration::from_secs(180);
const NAMES_WITHIN: Duration = Duration::from_secs(4);

/// The package's user, for a server started by root.
const USER: &str = "rabbitmq";

/// A RabbitMQ node without plugins, with the user `guest`.
#[derive(Debug)]
pub struct RabbitMq {
    processes: Processes,
    ports: Ports,
    authority: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    amqps: Option<u16>,
    /// The port where Erlang nodes look each other up, with a separate process so that none is left behind.
    names: u16,
    /// The port for other nodes and `rabbitmqctl`.
    distribution: u16,
}

impl RabbitMq {
    /// Starts a node, which takes some seconds.
    ///
    /// # Errors
    /// When it is not installed, or does not answer within three minutes.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_node(None)
    }

    /// Starts a node that also has a port for TLS.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_tls() -> Result<Self, ServerError> {
        let certificates =
            Certificates::make().map_err(|cause| ServerError::Certificate { what: NAME, cause })?;
        Self::start_node(Some(certificates))
    }

    /// Checks that there is a program to start.
    pub(crate) fn installed() -> Result<(), ServerError> {
        if Path::new(PROGRAM).exists() {
            return Ok(());
        }
        Err(ServerError::Missing {
            what: NAME,
            looked_at: PROGRAM.to_owned(),
        })
    }

    fn start_node(certificates: Option<Certificates>) -> Result<Self, ServerError> {
        Self::installed()?;
        let processes = Processes::new(NAME)?;
        let ports = Ports::free(certificates.is_some())
            .map_err(ServerError::prepare(NAME, "finding a free port"))?;
        configure(processes.directory(), ports, certificates.as_ref())
            .map_err(ServerError::prepare(NAME, "writing its configuration"))?;
        let mut node = Self {
            processes,
            ports,
            authority: certificates.map(|certificates| certificates.authority),
        };
        node.restart()?;
        Ok(node)
    }

    /// Returns its address: `amqp://guest:guest@127.0.0.1:PORT/%2f`. It stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// Returns its address for TLS, if it has one: `amqps://guest:guest@127.0.0.1:PORT/%2f`. The certificate is also
    /// for `localhost`.
    #[must_use]
    pub fn tls_address(&self) -> Option<String> {
        let port = self.ports.amqps?;
        Some(format!("amqps://guest:guest@127.0.0.1:{port}/%2f"))
    }

    /// Returns the certificate of the authority that a client must trust, as PEM, for a server with TLS.
    #[must_use]
    pub fn certificate_authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Kills the node with its Erlang virtual machine. Unwritten data is lost, except for the names of new queues,
    /// which this waits for: up to four seconds after a quorum queue was declared for the first time.
    pub fn kill(&mut self) {
        self.wait_for_names();
        self.processes.kill();
    }

    /// Waits until the names of all quorum queues are written. The node keeps them in memory for up to three seconds;
    /// if it is killed meanwhile, it creates the member of the queue again after its start, and that member never
    /// becomes the leader (seen with 3.10). No client can repair that.
    fn wait_for_names(&self) {
        // More queues may appear meanwhile.
        while let Some(left) = self
            .age_of_newest_queue()
            .and_then(|age| NAMES_WITHIN.checked_sub(age))
        {
            thread::sleep(left);
        }
    }

    /// Returns how long ago the node created its last member of a quorum queue, if it has any.
    fn age_of_newest_queue(&self) -> Option<Duration> {
        let node = self.node();
        let data = self.processes.directory().join("data");
        let members = fs::read_dir(data.join(&node).join("quorum").join(&node)).ok()?;
        let made = members.flatten().filter_map(|member| {
            // Written once, when the member is created.
            let config = fs::metadata(member.path().join("config")).ok()?;
            config.modified().ok()
        });
        made.max()?.elapsed().ok()
    }

    fn node(&self) -> String {
        format!("midgard-{}@localhost", self.ports.amqp)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.processes.is_running()
    }

    /// Lets the node stop by itself, which takes some seconds.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.processes.stop()
    }

    /// Starts the node again with the same data and ports. One that still runs is killed before.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        let Ports {
            amqp, amqps, names, ..
        } = self.ports;

        let mut name_service = self.command("epmd");
        name_service.args(["-address", "127.0.0.1", "-port", &names.to_string()]);
        self.processes.start(&mut name_service)?;
        self.processes
            .wait_until(STARTS_WITHIN, || ready::accepts(names))?;

        let mut node = self.command(PROGRAM);
        self.processes.start(&mut node)?;
        self.processes.wait_until(STARTS_WITHIN, || {
            ready::speaks_amqp(amqp) && amqps.is_none_or(ready::accepts)
        })
    }

    /// Runs `rabbitmqctl` with `arguments` for this node, and returns its output. It takes some seconds.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), midgard_test_servers::ServerError> {
    /// # let node = midgard_test_servers::RabbitMq::start()?;
    /// // Publishers have to wait from now on, as on a machine without memory.
    /// node.control(&["set_vm_memory_high_watermark", "0"])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it fails; the error contains its output.
    pub fn control(&self, arguments: &[&str]) -> Result<String, ServerError> {
        run(self.command(CONTROL).arg("--quiet").args(arguments))
            .map_err(ServerError::prepare(NAME, "rabbitmqctl"))
    }

    /// Returns a command of this node, run as the package's user if root runs this.
    fn command(&self, program: &str) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid",
                USER,
                "--regid",
                USER,
                "--init-groups",
                "--",
                program,
            ]);
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
            .env("LC_ALL", "C.UTF-8")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.ports.names.to_string())
            .env("RABBITMQ_NODENAME", self.node())
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", directory.join("none"))
            .env("RABBITMQ_CONFIG_FILE", directory.join("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", directory.join("none"))
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                directory.join("enabled_plugins"),
            )
            .env("RABBITMQ_MNESIA_BASE", directory.join("data"))
            .env("RABBITMQ_LOG_BASE", directory.join("logs"))
            .env("RABBITMQ_LOGS", "-")
            // Light next to others, and for this machine only.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
            )
            // The virtual machine replaces the script's process, so that a signal to the one reaches the other.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        command
    }
}

impl Ports {
    fn free(with_tls: bool) -> io::Result<Self> {
        Ok(Self {
            amqp: port::free()?,
            amqps: with_tls.then(port::free).transpose()?,
            names: port::free()?,
            distribution: port::free()?,
        })
    }
}

fn configure(
    directory: &Path,
    ports: Ports,
    certificates: Option<&Certificates>,
) -> io::Result<()> {
    let mut configuration = format!(
        "listeners.tcp.1 = 127.0.0.1:{}\n\
         disk_free_limit.absolute = 50MB\n\
         vm_memory_high_watermark.absolute = 1GB\n",
        ports.amqp
    );
    if let (Some(certificates), Some(port)) = (certificates, ports.amqps) {
        let file = |name: &str, content: &str| {
            let file = directory.join(name);
            fs::write(&file, content).map(|()| file.display().to_string())
        };
        configuration += &format!(
            "listeners.ssl.1 = 127.0.0.1:{port}\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_none\n\
             ssl_options.fail_if_no_peer_cert = false\n",
            file("authority.pem", &certificates.authority)?,
            file("server.pem", &certificates.server)?,
            file("server-key.pem", &certificates.server_key)?,
        );
    }
    fs::write(directory.join("rabbitmq.conf"), configuration)?;
    fs::write(directory.join("enabled_plugins"), "[].\n")?;
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
