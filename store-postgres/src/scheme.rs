//! The addresses of stores in PostgreSQL, so that operators choose one.

use crate::PostgresOptions;
use midgard::DynStore;
use midgard::store::{Opening, Scheme};

/// The parameter of an address that names the schema.
const SCHEMA: &str = "schema";

impl crate::PostgresStore {
    /// The scheme of its addresses, which are those of PostgreSQL. `?schema=orders` names the schema of the store, so that
    /// several services can have theirs in one database; `midgard` when it is missing.
    ///
    /// ```no_run
    /// use midgard::DynStore;
    /// use midgard_store_postgres as _; // without it, the program does not know the scheme
    ///
    /// # midgard::block_on(async {
    /// let store = DynStore::open("postgres://shop:secret@db.example/shop?schema=orders").await?;
    /// # Ok::<_, midgard::store::OpenError>(())
    /// # })?;
    /// # Ok::<_, midgard::store::OpenError>(())
    /// ```
    pub const SCHEME: Scheme = Scheme::new("postgres", FORM, open);
}

const FORM: &str = "postgres://USER:PASSWORD@HOST/DATABASE?schema=SCHEMA";

inventory::submit! { crate::PostgresStore::SCHEME }
// The other name of the same.
inventory::submit! { Scheme::new("postgresql", FORM, open) }

fn open(address: &str) -> Opening {
    let options = options(address);
    Box::pin(async move { Ok(DynStore::new(options.open().await?)) })
}

/// Returns the options of an address, which errors do not quote.
fn options(address: &str) -> PostgresOptions {
    let Some((rest, parameters)) = address.split_once('?') else {
        return PostgresOptions::new(address);
    };
    let (schema, others): (Vec<_>, Vec<_>) = parameters
        .split('&')
        .partition(|parameter| parameter.split('=').next() == Some(SCHEMA));
    let address = match others.is_empty() {
        true => rest.to_owned(),
        false => format!("{rest}?{}", others.join("&")),
    };
    let options = PostgresOptions::new(address);
    let name = schema
        .last()
        .and_then(|parameter| parameter.split_once('='));
    match name {
        Some((_, name)) => options.with_schema(name),
        None => options,
    }
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn the_schema_is_taken_out_of_the_address() {
        let schema = |address| options(address).schema;
        assert_eq!(schema("postgres://jun:secret@db/shop"), "midgard");
        assert_eq!(
            schema("postgres://jun:secret@db/shop?schema=orders"),
            "orders"
        );
        let among_others =
            options("postgres://db/shop?sslmode=disable&schema=orders&connect_timeout=3");
        assert_eq!(among_others.schema, "orders");
        assert_eq!(among_others.location(), "postgres://db:5432/shop");
    }
}
