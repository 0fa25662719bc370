//! The address of a database.
//!
//! In a malformed address, any part may be the password. So an error quotes nothing of it.

use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

const MALFORMED: &str = "its address is malformed; write postgres://user:password@host:5432/database, with everything but letters and digits percent-encoded in the user and the password";
const NO_HOST: &str = "its address has no host; write postgres://user:password@host:5432/database";

/// How often a silent server is asked whether it is still there, and for how long it may be silent.
const KEEPALIVE: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(30);

/// The address of a database, with the login.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut config: Config = text.trim().parse().map_err(|_| MALFORMED)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(NO_HOST);
        }
        if config.get_application_name().is_none() {
            config.application_name("midgard");
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE);
        Ok(Address { config })
    }

    /// Returns the address without the password.
    pub(crate) fn location(&self) -> String {
        let ports = self.config.get_ports();
        let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        let names = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<_> = if self.config.get_hosts().is_empty() {
            let addresses = self.config.get_hostaddrs().iter();
            addresses.map(ToString::to_string).collect()
        } else {
            names.collect()
        };
        let hosts = hosts.iter().enumerate();
        let hosts: Vec<_> = hosts
            .map(|(index, host)| format!("{host}:{}", port(index)))
            .collect();
        format!("postgres://{}/{}", hosts.join(","), self.database())
    }

    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.user())
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, MALFORMED, NO_HOST};

    fn location(text: &str) -> Result<String, &'static str> {
        Address::parse(text).map(|address| address.location())
    }

    #[test]
    fn addresses_are_shown_without_passwords() {
        let shown = [
            ("postgres://jun:secret@db/shop", "postgres://db:5432/shop"),
            ("postgresql://jun@db:6000", "postgres://db:6000/jun"),
            (
                "postgres://jun:a%40b@a:1,b:2/shop",
                "postgres://a:1,b:2/shop",
            ),
            ("host=db user=jun password=secret", "postgres://db:5432/jun"),
        ];
        for (text, expected) in shown {
            assert_eq!(location(text).unwrap(), expected);
        }
    }

    #[test]
    fn malformed_addresses_are_not_quoted() {
        for text in [
            "postgres://jun:secret@db:port/shop",
            "secret",
            "postgres://jun:secret@db/?secret=1",
        ] {
            assert_eq!(location(text), Err(MALFORMED));
        }
        for text in ["postgres://", "user=jun"] {
            assert_eq!(location(text), Err(NO_HOST));
        }
    }
}
