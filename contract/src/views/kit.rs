//! Shared code of the cases: transactions that must succeed, and what readers see.

pub(super) use super::ViewFixture;
pub(super) use midgard::projection::{Generation, ViewStore};
pub(super) use midgard::store::give_way;

/// The projection of the cases that need only one.
const PROJECTION: &str = "contract";

/// A generation of the projection with both views.
pub(super) fn generation<F: ViewFixture>(number: u32) -> Generation {
    generation_of::<F>(PROJECTION, number, &[F::NUMBERS, F::OTHERS])
}

pub(super) fn generation_of<F: ViewFixture>(
    projection: &'static str,
    number: u32,
    views: &[&'static str],
) -> Generation {
    let views = views.iter().map(|name| F::view(name));
    Generation::new(projection, number, views.collect::<Vec<_>>())
}

pub(super) async fn begin_on<V: ViewStore>(views: &V, generation: &Generation) -> V::Transaction {
    match views.begin_generation(generation).await {
        Ok(transaction) => transaction,
        Err(error) => panic!("a store of views begins transactions, but: {error}"),
    }
}

/// A transaction on notes alone.
pub(super) async fn begin<V: ViewStore>(views: &V) -> V::Transaction {
    match views.begin().await {
        Ok(transaction) => transaction,
        Err(error) => panic!("a store of views begins transactions, but: {error}"),
    }
}

pub(super) async fn commit<V: ViewStore>(views: &V, transaction: V::Transaction) {
    if let Err(error) = views.commit(transaction).await {
        panic!("a transaction is committed when nothing stands against it, but: {error}");
    }
}

pub(super) async fn get<V: ViewStore>(
    views: &V,
    transaction: &mut V::Transaction,
    key: &str,
) -> Option<String> {
    match views.get(transaction, key).await {
        Ok(note) => note,
        Err(error) => panic!("the note {key:?} can be read, but: {error}"),
    }
}

pub(super) async fn put<V: ViewStore>(
    views: &V,
    transaction: &mut V::Transaction,
    key: &str,
    value: Option<&str>,
) {
    if let Err(error) = views.put(transaction, key, value).await {
        panic!("the note {key:?} can be written, but: {error}");
    }
}

/// Returns the keys of the notes with a prefix; each key must be its own text.
pub(super) async fn list<V: ViewStore>(
    views: &V,
    transaction: &mut V::Transaction,
    prefix: &str,
) -> Vec<String> {
    let notes = match views.list(transaction, prefix).await {
        Ok(notes) => notes,
        Err(error) => panic!("the notes that begin with {prefix:?} can be read, but: {error}"),
    };
    for (key, value) in &notes {
        assert_eq!(key, value, "each key is listed with its own text");
    }
    notes.into_iter().map(|(key, _)| key).collect()
}

/// Commits one note.
pub(super) async fn write<V: ViewStore>(views: &V, key: &str, value: Option<&str>) {
    let mut transaction = begin(views).await;
    put(views, &mut transaction, key, value).await;
    commit(views, transaction).await;
}

/// Commits notes whose texts are their keys.
pub(super) async fn write_keys<V: ViewStore>(
    views: &V,
    keys: impl IntoIterator<Item = impl AsRef<str>>,
) {
    let mut transaction = begin(views).await;
    for key in keys {
        let key = key.as_ref();
        put(views, &mut transaction, key, Some(key)).await;
    }
    commit(views, transaction).await;
}

/// Reads one note in a transaction of its own.
pub(super) async fn read<V: ViewStore>(views: &V, key: &str) -> Option<String> {
    let mut transaction = begin(views).await;
    get(views, &mut transaction, key).await
}

/// Lists notes in a transaction of its own.
pub(super) async fn listed<V: ViewStore>(views: &V, prefix: &str) -> Vec<String> {
    let mut transaction = begin(views).await;
    list(views, &mut transaction, prefix).await
}

pub(super) async fn prepare<V: ViewStore>(
    views: &V,
    transaction: &mut V::Transaction,
    generation: &Generation,
) {
    if let Err(error) = views.prepare(transaction, generation).await {
        panic!("a new generation can be prepared, but: {error}");
    }
}

pub(super) async fn activate<V: ViewStore>(
    views: &V,
    transaction: &mut V::Transaction,
    generation: &Generation,
) {
    if let Err(error) = views.activate(transaction, generation).await {
        panic!("readers can switch to a generation that was prepared, but: {error}");
    }
}

/// Makes a new generation.
pub(super) async fn prepared<V: ViewStore>(views: &V, generation: &Generation) {
    let mut transaction = begin(views).await;
    prepare(views, &mut transaction, generation).await;
    commit(views, transaction).await;
}

/// Makes a generation visible to readers.
pub(super) async fn activated<V: ViewStore>(views: &V, generation: &Generation) {
    let mut transaction = begin(views).await;
    activate(views, &mut transaction, generation).await;
    commit(views, transaction).await;
}

/// Commits one row.
pub(super) async fn write_row<F: ViewFixture>(
    views: &F::Views,
    generation: &Generation,
    view: &'static str,
    key: &str,
    number: u32,
) {
    let mut transaction = begin_on(views, generation).await;
    F::put_row(&mut transaction, generation, view, key, number).await;
    commit(views, transaction).await;
}

/// Discards a generation as Midgard does, in as many transactions as it takes.
pub(super) async fn discarded<V: ViewStore>(views: &V, generation: &Generation) {
    for _ in 0..1_000 {
        let mut transaction = begin(views).await;
        let is_gone = match views.discard(&mut transaction, generation).await {
            Ok(is_gone) => is_gone,
            Err(error) => panic!("a generation that nobody sees can be discarded, but: {error}"),
        };
        commit(views, transaction).await;
        if is_gone {
            return;
        }
    }
    panic!("a thousand transactions are not enough to discard {generation:?}");
}

/// Asserts that readers see these rows of a view.
pub(super) async fn shows<F: ViewFixture>(
    views: &F::Views,
    view: &'static str,
    expected: &[(&str, u32)],
) {
    let rows = F::rows(views, view).await;
    let Some(rows) = rows else {
        panic!("readers see the view {view} once a generation of it is active");
    };
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, number)| ((*key).to_owned(), *number))
        .collect();
    assert_eq!(
        rows, expected,
        "these are the rows of the active generation of {view}"
    );
}

/// Asserts that readers see no such view.
pub(super) async fn hides<F: ViewFixture>(views: &F::Views, view: &'static str) {
    let rows = F::rows(views, view).await;
    assert_eq!(rows, None, "readers see no view {view}");
}
