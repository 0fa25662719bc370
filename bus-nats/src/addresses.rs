//! Parsing the addresses of servers: where they are, and the login in them.
//!
//! In a malformed address, any part may be the password. So an error quotes nothing of the address, and only what is
//! plainly a host and a port is shown.

use crate::options::Login;

const NONE: &str = "one of its addresses is malformed; write nats://host:4222, or tls://host:4222 to insist on TLS, with a comma between several, and a user and password as in nats://user:password@host, with everything but letters and digits percent-encoded in the password";
const COMMA: &str = "there is a user behind a comma in its address; a comma in a password is written %2C, and where there are several addresses, the user stands in the first";
const EMPTY: &str = "it has no address; write nats://host:4222";
const SCHEMES: [&str; 4] = ["nats", "tls", "ws", "wss"];

/// Returns the addresses without users and passwords, or what is wrong with them; and the first login among them.
pub(crate) fn parse(text: &str) -> (Result<Vec<String>, &'static str>, Login) {
    let mut login = Login::Nobody;
    let pieces = text.split(',').map(str::trim);
    let pieces = pieces.filter(|piece| !piece.is_empty()).enumerate();
    let addresses: Result<Vec<String>, _> = pieces
        .map(|(index, piece)| {
            let (scheme, rest) = scheme(piece);
            let (user, host) = rest
                .rsplit_once('@')
                .map_or((None, rest), |(user, host)| (Some(user), host));
            if let (Some(user), Login::Nobody) = (user, &login) {
                login = self::login(user);
            }
            match (scheme, user, index) {
                (None, Some(_), 1..) => Err(COMMA),
                _ if !is_host(host) => Err(NONE),
                (scheme, _, _) => Ok(format!("{}://{host}", scheme.unwrap_or("nats"))),
            }
        })
        .collect();
    let addresses = match addresses {
        Ok(addresses) if addresses.is_empty() => Err(EMPTY),
        // The second half of a password is the more likely cause.
        Err(NONE) if has_user_behind_a_comma(text) => Err(COMMA),
        addresses => addresses,
    };
    (addresses, login)
}

/// Returns the scheme, if there is one, and the rest.
fn scheme(address: &str) -> (Option<&str>, &str) {
    match address.split_once("://") {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) => (Some(scheme), rest),
        _ => (None, address),
    }
}

fn login(user: &str) -> Login {
    match user.split_once(':') {
        Some((name, password)) => Login::User {
            name: decoded(name),
            password: decoded(password),
        },
        None => Login::Token(decoded(user)),
    }
}

/// Decodes a part of an address.
fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part)
        .decode_utf8_lossy()
        .into_owned()
}

/// Returns whether this is just a host, perhaps with a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address has colons within brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let (name, is_bracketed) = match host.strip_prefix('[') {
        Some(rest) => (rest.strip_suffix(']').unwrap_or_default(), true),
        None => (host, false),
    };
    let is_part = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || is_bracketed && c == ':'
    };
    !name.is_empty()
        && name.chars().all(is_part)
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn has_user_behind_a_comma(text: &str) -> bool {
    let mut pieces = text.split(',').skip(1);
    pieces.any(|piece| piece.contains('@') && scheme(piece.trim()).0.is_none())
}

#[cfg(test)]
mod tests {
    use super::{Login, parse};

    #[test]
    fn addresses_are_read() {
        let addresses = |text| parse(text).0.map(|addresses| addresses.join(","));
        assert_eq!(addresses("host").unwrap(), "nats://host");
        assert_eq!(
            addresses("tls://a:1, u:p@b,").unwrap_err(),
            super::COMMA,
            "it may be a password"
        );
        assert_eq!(
            addresses("tls://u:p@a:1, nats://u:p@[::1]:2 ,c-d.e_f:3").unwrap(),
            "tls://a:1,nats://[::1]:2,nats://c-d.e_f:3"
        );
        for none in ["", " , "] {
            assert_eq!(addresses(none).unwrap_err(), super::EMPTY);
        }
    }

    #[test]
    fn logins_are_read() {
        let login = |text| match parse(text).1 {
            Login::User { name, password } => format!("{name} {password}"),
            Login::Token(token) => token,
            _ => String::new(),
        };
        assert_eq!(login("nats://jun:pass%2Cword@host"), "jun pass,word");
        assert_eq!(login("jun:a://b@host"), "jun a://b");
        assert_eq!(login("nats://jun:a@b/c?d#e@host"), "jun a@b/c?d#e");
        assert_eq!(login("tls://token@host"), "token");
        assert_eq!(login("nats://a,tls://u:p@b"), "u p");
    }
}
