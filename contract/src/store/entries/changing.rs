//! Changing entries: all at once, and only as expected.

use super::super::kit::*;
use super::kit::{all, by_prefix, changed, has, has_not, put_all, refused, write};
use midgard::store::{EntryError, EntryWrite};

pub(in super::super) async fn removed_entry_is_gone<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a", b"b", b"c"]).await;
    write(&store, EntryWrite::new().remove(b"b")).await;
    has_not(&store, b"b").await;
    assert_eq!(by_prefix(&store, b"").await, [b"a", b"c"]);
    write(&store, EntryWrite::new().expect(b"b", None).put(b"b", b"2")).await;
    has(&store, b"b", b"2").await;
    let removed = EntryWrite::new().remove(b"a").remove(b"b").remove(b"c");
    write(&store, removed).await;
    assert!(all(&store).await.is_empty(), "all were removed");
}

pub(in super::super) async fn removal_of_an_entry_that_is_not_there<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    write(&store, EntryWrite::new().remove(b"b").put(b"a", b"1")).await;
    write(&store, EntryWrite::new().remove(b"b").remove(b"c")).await;
    assert_eq!(by_prefix(&store, b"").await, [b"a"]);
}

pub(in super::super) async fn entry_as_expected_is_changed<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let create = EntryWrite::new().expect(b"key", None).put(b"key", b"1");
    write(&store, create).await;
    let change = EntryWrite::new()
        .expect(b"key", Some(b"1"))
        .put(b"key", b"2");
    write(&store, change).await;
    has(&store, b"key", b"2").await;
    let remove = EntryWrite::new().expect(b"key", Some(b"2")).remove(b"key");
    write(&store, remove).await;
    has_not(&store, b"key").await;
}

pub(in super::super) async fn entry_with_another_value_is_changed_by_another<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    write(&store, EntryWrite::new().put(b"key", b"value")).await;
    for wrong in [&b"valu"[..], b"value\0", b"Value", b"", b"another"] {
        let change = EntryWrite::new().expect(b"key", Some(wrong));
        changed(&store, change.clone(), b"key").await;
        changed(&store, change.clone().put(b"key", b"new"), b"key").await;
        changed(&store, change.clone().remove(b"key"), b"key").await;
        changed(&store, change.put(b"other", b"new"), b"key").await;
    }
}

pub(in super::super) async fn entry_expected_to_be_absent<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let create = |value| EntryWrite::new().expect(b"key", None).put(b"key", value);
    write(&store, create(b"")).await;
    changed(&store, create(b"other"), b"key").await;
    has(&store, b"key", b"").await;
}

pub(in super::super) async fn entry_expected_to_be_there_is_absent<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for value in [&b"value"[..], b""] {
        let change = EntryWrite::new().expect(b"key", Some(value));
        changed(&store, change.clone(), b"key").await;
        changed(&store, change.put(b"key", b"new"), b"key").await;
    }
    has_not(&store, b"key").await;
}

pub(in super::super) async fn one_failed_expectation_changes_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a", b"c", b"e"]).await;
    let expected: [(&[u8], Option<&[u8]>); 5] = [
        (b"a", Some(b"a")),
        (b"b", None),
        (b"c", Some(b"c")),
        (b"d", None),
        (b"e", Some(b"e")),
    ];
    let right = expected
        .iter()
        .fold(EntryWrite::new(), |write, (key, value)| {
            write.expect(key, *value)
        })
        .put(b"0", b"new")
        .put(b"a", b"new")
        .put(b"b", b"new")
        .remove(b"c")
        .put(b"f", b"new");
    // Each of them counts, wherever it is.
    for (key, value) in expected {
        let wrong = if value.is_some() { None } else { Some(key) };
        changed(&store, right.clone().expect(key, wrong), key).await;
    }
    write(&store, right).await;
    assert_eq!(
        by_prefix(&store, b"").await,
        [&b"0"[..], b"a", b"b", b"e", b"f"],
        "all was as expected"
    );
}

pub(in super::super) async fn one_of_the_entries_that_changed_is_named<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a", b"b", b"c"]).await;
    let change = EntryWrite::new()
        .expect(b"a", Some(b"a"))
        .expect(b"b", None)
        .expect(b"c", None)
        .put(b"d", b"new");
    match refused(&store, change).await {
        EntryError::Changed { key } => assert!(
            key == b"b" || key == b"c",
            "the error names an entry that is not as expected, and not \"{}\"",
            key.escape_ascii()
        ),
        error => panic!("an entry that is not as expected is said to be changed, not: {error}"),
    }
}

pub(in super::super) async fn expectations_of_other_entries_than_are_changed<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    write(&store, EntryWrite::new().put(b"lease", b"mine")).await;
    let mine = EntryWrite::new()
        .expect(b"lease", Some(b"mine"))
        .put(b"row", b"1");
    write(&store, mine.clone()).await;
    has(&store, b"lease", b"mine").await;
    write(&store, EntryWrite::new().put(b"lease", b"another's")).await;
    changed(&store, mine.put(b"row", b"2"), b"lease").await;
    has(&store, b"row", b"1").await;
}

pub(in super::super) async fn expectations_alone_change_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let check = EntryWrite::new()
        .expect(b"a", Some(b"a"))
        .expect(b"b", None);
    write(&store, check.clone()).await;
    changed(&store, check.expect(b"b", Some(b"b")), b"b").await;
    assert_eq!(by_prefix(&store, b"").await, [b"a"]);
}

pub(in super::super) async fn change_of_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    write(&store, EntryWrite::new()).await;
    put_all(&store, &[b"a"]).await;
    write(&store, EntryWrite::new()).await;
    assert_eq!(by_prefix(&store, b"").await, [b"a"]);
}

pub(in super::super) async fn change_after_a_refused_one_is_as_ever<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let wrong = EntryWrite::new().expect(b"a", None).put(b"b", b"wrong");
    changed(&store, wrong, b"a").await;
    let right = EntryWrite::new().expect(b"b", None).put(b"b", b"right");
    write(&store, right).await;
    has(&store, b"b", b"right").await;
}
