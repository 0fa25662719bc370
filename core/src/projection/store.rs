//! Where projections keep what they make of events: the small trait behind every kind of view.

use crate::view::ViewDefinition;
use std::error::Error;

/// A place for views, with transactions: rows and the projection's checkpoint are committed together.
///
/// Midgard keeps its own notes there (checkpoints, leases, dead letters) as texts by key, in whatever
/// table the implementation likes: `get`, `put` and `list` are all it asks for. What a transaction read
/// must still be so when it commits; so let it be serializable, or lock what it reads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a place for views",
    label = "this type does not implement `ViewStore`",
    note = "write `impl ViewStore for {Self} {{ .. }}`, or leave `store` out of `#[projection(..)]`: the views are in `Views` then"
)]
pub trait ViewStore: Send + Sync + 'static {
    /// What handlers write through. Dropped without a commit, it has changed nothing.
    type Transaction: Send;
    /// What can go wrong.
    type Error: Error + Send + Sync + 'static;

    /// Begins a transaction on the rows of a generation.
    fn begin(
        &self,
        generation: &Generation,
    ) -> impl Future<Output = Result<Self::Transaction, Self::Error>> + Send;

    /// Begins a transaction that only reads notes, and is dropped: of what was committed before, it sees
    /// all. Without this, it is one as any other; where those wait for each other, let readers pass here.
    fn begin_read(&self) -> impl Future<Output = Result<Self::Transaction, Self::Error>> + Send {
        async { self.begin(&Generation::new("", 0, Vec::new())).await }
    }

    /// Reads a note.
    fn get(
        &self,
        transaction: &mut Self::Transaction,
        key: &str,
    ) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// Writes a note; `None` removes it.
    fn put(
        &self,
        transaction: &mut Self::Transaction,
        key: &str,
        value: Option<&str>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The notes whose key begins with a prefix, in the order of keys.
    fn list(
        &self,
        transaction: &mut Self::Transaction,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<(String, String)>, Self::Error>> + Send;

    /// Makes all changes of a transaction, or none.
    fn commit(
        &self,
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Makes the tables of a new generation, empty. Without this, there is nothing to make.
    fn prepare(
        &self,
        transaction: &mut Self::Transaction,
        generation: &Generation,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (transaction, generation);
        async { Ok(()) }
    }

    /// Lets readers see this generation from now on, instead of the one before.
    fn activate(
        &self,
        transaction: &mut Self::Transaction,
        generation: &Generation,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (transaction, generation);
        async { Ok(()) }
    }

    /// Removes some of the rows of a generation that nobody sees any more; says whether there are
    /// none left. It is called, each time in a transaction of its own, until then.
    fn discard(
        &self,
        transaction: &mut Self::Transaction,
        generation: &Generation,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        let _ = (transaction, generation);
        async { Ok(true) }
    }
}

/// One building of a projection's views, from the first event on. A rebuild is a new generation beside
/// the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// The projection.
    pub projection: &'static str,
    /// Which one, from 1. Never used again.
    pub number: u32,
    /// The views that the projection lists.
    pub views: Vec<ViewDefinition>,
}

impl Generation {
    /// A generation, for tests of a [`ViewStore`].
    #[must_use]
    pub const fn new(projection: &'static str, number: u32, views: Vec<ViewDefinition>) -> Self {
        Generation {
            projection,
            number,
            views,
        }
    }
}
