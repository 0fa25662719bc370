//! Connections with TLS.

use crate::options::PostgresOptions;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Returns what makes connections with TLS.
pub(crate) fn connector(
    options: &PostgresOptions,
) -> Result<MakeRustlsConnect, Box<dyn Error + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted(options)?);
    let config = match &options.client_certificate {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let unread = |error| format!("the key in {} cannot be read: {error}", key.display());
            let secret = PrivateKeyDer::from_pem_file(key).map_err(unread)?;
            config.with_client_auth_cert(certificates(certificate)?, secret)?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn trusted(options: &PostgresOptions) -> Result<RootCertStore, Box<dyn Error + Send + Sync>> {
    let mut trusted = RootCertStore::empty();
    match &options.certificate_authority {
        Some(path) => {
            for certificate in certificates(path)? {
                trusted.add(certificate)?;
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            trusted.add_parsable_certificates(system.certs);
        }
    }
    Ok(trusted)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unread =
        |error: pem::Error| format!("{} cannot be read as certificates: {error}", path.display());
    let all = CertificateDer::pem_file_iter(path).map_err(unread)?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(unread)?;
    if all.is_empty() {
        return Err(format!("{} has no certificate", path.display()));
    }
    Ok(all)
}
