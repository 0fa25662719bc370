//! Connections with TLS.

use crate::kit::{RUNTIME, append_to, ids_of};
use midgard::Store;
use midgard::store::ExpectedVersion;
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::postgres_with_tls;

#[test]
fn a_server_is_trusted_by_its_authority_alone() {
    let Some(server) = postgres_with_tls("a_server_is_trusted_by_its_authority_alone") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("authority.pem");
    std::fs::write(&authority, server.certificate_authority().unwrap()).unwrap();
    RUNTIME.block_on(async {
        let options = PostgresStore::options(server.address());
        let store = options.clone().with_certificate_authority(&authority);
        let store = store.open().await.unwrap();
        let first = append_to("account-1", ExpectedVersion::NoStream);
        store.append(first).await.unwrap();
        assert_eq!(ids_of(&store, "account-1").await.len(), 1);

        let error = options.open().await.unwrap_err();
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
        let plain = format!("{}?sslmode=disable", server.address());
        let error = PostgresStore::open(plain).await.unwrap_err();
        assert!(error.to_string().contains("insists on TLS"), "{error}");
    });
}
