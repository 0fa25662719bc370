//! Logging in.

use crate::options::Login;
use async_nats::Auth;
use std::error::Error;

/// Returns the login for the server, which wants `nonce` signed.
pub(crate) async fn auth(
    login: &Login,
    nonce: &[u8],
) -> Result<Auth, Box<dyn Error + Send + Sync>> {
    let mut auth = Auth::new();
    match login {
        Login::Nobody => {}
        Login::User { name, password } => {
            auth.username = Some(name.clone());
            auth.password = Some(password.clone());
        }
        Login::Token(token) => auth.token = Some(token.clone()),
        Login::CredentialsFile(path) => {
            let text = tokio::fs::read_to_string(path)
                .await
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            let part = |what| {
                section(&text, what)
                    .ok_or_else(|| format!("{} has no section `{what}`", path.display()))
            };
            let key = nkeys::KeyPair::from_seed(part("USER NKEY SEED")?)
                .map_err(|_| format!("the key in {} is not a user's key", path.display()))?;
            auth.signature = Some(
                key.sign(nonce)
                    .map_err(|_| format!("the key in {} cannot sign", path.display()))?,
            );
            auth.jwt = Some(part("NATS USER JWT")?.to_owned());
        }
    }
    Ok(auth)
}

/// Returns the lines between `-----BEGIN what-----` and the next line of dashes.
fn section<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    let begin = format!("BEGIN {what}");
    let mut lines = text.lines().skip_while(|line| !line.contains(&begin));
    lines.next()?;
    lines.map(str::trim).find(|line| !line.is_empty())
}
