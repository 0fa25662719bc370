//! Stores by their addresses, so that operators choose one without a change of the program.

use super::{DynStore, MemoryStore};
use crate::store::StoreError;
use std::fmt;
use std::pin::Pin;

/// The future of a store that is being opened by its address. See [`Scheme::new`].
pub type Opening = Pin<Box<dyn Future<Output = Result<DynStore, OpenError>> + Send>>;

/// The kind of the addresses of a store, such as `lmdb:` of `midgard-store-lmdb`.
///
/// Each package of a store has one, which [`DynStore::open`] finds in programs that use the package. Where the linker
/// cannot gather them, [`DynStore::open_with`] takes a list.
///
/// ```
/// use midgard::{DynStore, MemoryStore};
/// use midgard::store::Scheme;
///
/// const TEMPORARY: Scheme = Scheme::new("temporary", "temporary:", |_| {
///     Box::pin(async { Ok(DynStore::embedded(MemoryStore::new())) })
/// });
/// midgard::block_on(DynStore::open_with(&[TEMPORARY], "temporary:"))?;
/// # Ok::<_, midgard::store::OpenError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Scheme {
    name: &'static str,
    form: &'static str,
    open: fn(&str) -> Opening,
}

inventory::collect!(Scheme);

impl Scheme {
    /// The scheme of [`MemoryStore`]: each `memory:` is an empty store.
    pub const MEMORY: Scheme = Scheme::new("memory", "memory:", |address| {
        let opened = match address.strip_prefix("memory:") {
            Some("") => Ok(DynStore::embedded(MemoryStore::new())),
            _ => Err(OpenError::malformed(
                Scheme::MEMORY,
                "nothing stands behind the colon, as a store in memory is always empty at first",
            )),
        };
        Box::pin(std::future::ready(opened))
    });

    /// Creates a scheme by its name, the form of its addresses as a person would write it down, and a function that
    /// opens the store at an address. The function receives the whole address.
    ///
    /// For [`DynStore::open`] to find it, submit it: `inventory::submit! { SCHEME }`, with the crate
    /// [`inventory`](https://docs.rs/inventory).
    #[must_use]
    pub const fn new(name: &'static str, form: &'static str, open: fn(&str) -> Opening) -> Self {
        Scheme { name, form, open }
    }

    /// Returns its name, which stands before the colon of an address.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the form of its addresses.
    #[must_use]
    pub const fn form(&self) -> &'static str {
        self.form
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scheme").field(&self.form).finish()
    }
}

impl DynStore {
    /// Opens the store at an address: `memory:`, `lmdb:DIRECTORY` in a program that uses `midgard-store-lmdb`, and what
    /// the other packages of stores say. An embedded store can hold views.
    ///
    /// A package that the program names nowhere else is used by `use midgard_store_lmdb as _;`.
    ///
    /// ```
    /// use midgard::DynStore;
    ///
    /// # midgard::block_on(async {
    /// let store = DynStore::open("memory:").await?;
    /// let error = DynStore::open("lmbd:data").await.unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "no store is known for addresses that begin with `lmbd:`; this program knows: `memory:`; \
    ///      the store of another package is known when the program uses it, as by `use midgard_store_lmdb as _;`"
    /// );
    /// # Ok::<_, midgard::store::OpenError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`OpenError`]. It never contains more of an address than the scheme, as there may be a password in it.
    pub async fn open(address: &str) -> Result<DynStore, OpenError> {
        let linked = inventory::iter::<Scheme>().copied();
        open(linked.chain([Scheme::MEMORY]).collect(), address).await
    }

    /// Opens the store at an address of one of these schemes: [`open`](Self::open) without the help of the linker.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(schemes: &[Scheme], address: &str) -> Result<DynStore, OpenError> {
        open(schemes.to_vec(), address).await
    }
}

async fn open(mut schemes: Vec<Scheme>, address: &str) -> Result<DynStore, OpenError> {
    let found = address.split_once(':').map(|(name, _)| name);
    if let Some(name) = found
        && let Some(scheme) = schemes.iter().find(|scheme| scheme.name == name)
    {
        return (scheme.open)(address).await;
    }
    schemes.sort_unstable_by_key(|scheme| scheme.form);
    let known = Forms(schemes.iter().map(|scheme| scheme.form).collect());
    Err(match found {
        Some(name) => OpenError::UnknownScheme {
            name: name.to_owned(),
            known,
        },
        None => OpenError::NoScheme { known },
    })
}

/// Why a store could not be opened by its address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address says nothing of the kind of the store.
    #[error("the address of the store does not say of what kind it is; write one of: {known}")]
    NoScheme {
        /// The forms of the addresses that the program knows.
        known: Forms,
    },
    /// No store of the program has this scheme.
    #[error(
        "no store is known for addresses that begin with `{name}:`; this program knows: {known}; the store of another package is known when the program uses it, as by `use midgard_store_lmdb as _;`"
    )]
    UnknownScheme {
        /// The part of the address before the colon.
        name: String,
        /// The forms of the addresses that the program knows.
        known: Forms,
    },
    /// The rest of the address is not as the store expects it.
    #[error("the address of the store is not of the form `{form}`: {reason}")]
    Malformed {
        /// The form of the addresses of this store.
        form: &'static str,
        /// What is wrong with it, without a password.
        reason: String,
    },
    /// The store itself could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// Creates the error for an address that is not of the scheme's form. The reason must not contain a password.
    #[must_use]
    pub fn malformed(scheme: Scheme, reason: impl Into<String>) -> Self {
        OpenError::Malformed {
            form: scheme.form,
            reason: reason.into(),
        }
    }
}

/// The forms of addresses that a program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forms(Vec<&'static str>);

impl fmt::Display for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for form in &self.0 {
            write!(f, "{between}`{form}`")?;
            between = ", ";
        }
        Ok(())
    }
}
