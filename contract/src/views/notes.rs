//! Notes: texts by key.

use super::kit::*;

pub(super) async fn note_that_was_never_written_is_none<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    assert_eq!(read(&views, "note").await, None);
    assert!(listed(&views, "note").await.is_empty());
}

pub(super) async fn written_note_can_be_read<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    write(&views, "note", Some("text")).await;
    assert_eq!(read(&views, "note").await.as_deref(), Some("text"));
    assert_eq!(read(&views, "other").await, None);
    let other = fixture.open().await;
    assert_eq!(
        read(&other, "note").await.as_deref(),
        Some("text"),
        "another handle reads what was committed"
    );
}

pub(super) async fn later_text_of_a_note_counts<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    for text in ["first", "", "a longer text than the first", "x"] {
        write(&views, "note", Some(text)).await;
        assert_eq!(read(&views, "note").await.as_deref(), Some(text));
    }
    let mut transaction = begin(&views).await;
    for text in ["second", "third"] {
        put(&views, &mut transaction, "note", Some(text)).await;
    }
    commit(&views, transaction).await;
    assert_eq!(read(&views, "note").await.as_deref(), Some("third"));
}

pub(super) async fn removed_note_is_gone<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    write_keys(&views, ["note", "note/1", "other"]).await;
    write(&views, "note", None).await;
    assert_eq!(read(&views, "note").await, None);
    assert_eq!(listed(&views, "note").await, ["note/1"]);
    assert_eq!(read(&views, "other").await.as_deref(), Some("other"));
    write(&views, "note", Some("again")).await;
    assert_eq!(read(&views, "note").await.as_deref(), Some("again"));
}

pub(super) async fn removal_of_a_note_that_is_not_there<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    write(&views, "note", None).await;
    assert_eq!(read(&views, "note").await, None);
}

pub(super) async fn notes_are_any_texts<F: ViewFixture>(fixture: &F) {
    let texts = [
        "it's",
        "\"",
        "a\\b",
        "100%",
        "a_b",
        "a b",
        " a ",
        "a\nb",
        "tab\t",
        "?1",
        "$1",
        ":x",
        "Zoë",
        "名前",
        "\u{1F98A}",
        "\u{10FFFF}",
        "--",
        "/*",
        "a;b",
        "{\"format\":1}",
    ];
    let views = fixture.open().await;
    write_keys(&views, texts).await;
    for text in texts {
        assert_eq!(read(&views, text).await.as_deref(), Some(text));
        assert_eq!(listed(&views, text).await, [text]);
    }
}

pub(super) async fn keys_of_notes_that_look_alike_are_separate<F: ViewFixture>(fixture: &F) {
    let keys = [
        "note",
        "Note",
        "NOTE",
        "note ",
        "notes",
        "nóte",
        "no\u{301}te",
        "1",
        "01",
        "1.0",
    ];
    let views = fixture.open().await;
    write_keys(&views, keys).await;
    for key in keys {
        assert_eq!(read(&views, key).await.as_deref(), Some(key));
    }
    write(&views, "note", None).await;
    for key in &keys[1..] {
        assert_eq!(read(&views, key).await.as_deref(), Some(*key));
    }
}

pub(super) async fn long_note_is_kept_whole<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let long = "0123456789abcdé".repeat(20_000);
    write(&views, "note", Some(&long)).await;
    let kept = read(&views, "note").await;
    assert!(
        kept.as_deref() == Some(&long),
        "a note of {} bytes",
        long.len()
    );
    let key = format!(
        "projection/{}/0000000001/letter/0/00000000000000000007",
        "n".repeat(100)
    );
    write(&views, &key, Some("text")).await;
    assert_eq!(read(&views, &key).await.as_deref(), Some("text"));
}

pub(super) async fn notes_are_listed_in_the_order_of_bytes<F: ViewFixture>(fixture: &F) {
    let ordered = [
        "n/ ",
        "n/-",
        "n/0",
        "n/00",
        "n/1",
        "n/10",
        "n/2",
        "n/B",
        "n/_",
        "n/a",
        "n/a/b",
        "n/ab",
        "n/b",
        "n/é",
        "n/ｚ",
        "n/\u{1F98A}",
    ];
    let views = fixture.open().await;
    for start in [5, 0, 11, 14, 7, 2, 9, 4, 15, 1, 10, 3, 12, 8, 6, 13] {
        write_keys(&views, [ordered[start]]).await;
    }
    assert_eq!(listed(&views, "n/").await, ordered);
}

pub(super) async fn prefixes_are_literal<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    for special in [
        "%",
        "_",
        "*",
        "?",
        "[a-z]",
        "\\",
        ".",
        "'",
        "^",
        "\u{10FFFF}",
    ] {
        let (prefix, plain) = (format!("p/{special}/"), "p/x/");
        let (wanted, other) = (format!("{prefix}1"), format!("{plain}1"));
        write_keys(&views, [&wanted, &other]).await;
        assert_eq!(listed(&views, &prefix).await, [wanted.as_str()]);
        write(&views, &wanted, None).await;
    }
    write_keys(&views, ["Case/1", "case/1", "case", "case0", "cas"]).await;
    assert_eq!(listed(&views, "case/").await, ["case/1"], "case counts");
    assert_eq!(listed(&views, "case").await, ["case", "case/1", "case0"]);
}

pub(super) async fn many_notes_are_listed_whole<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    let keys: Vec<_> = (0..3_000)
        .map(|number| format!("many/{number:05}"))
        .collect();
    write_keys(&views, &keys).await;
    write_keys(&views, ["man", "many0"]).await;
    let found = listed(&views, "many/").await;
    assert!(found == keys, "{} of 3000 notes are listed", found.len());
}

pub(super) async fn transaction_sees_its_own_notes<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    write_keys(&views, ["n/1", "n/2"]).await;
    let mut transaction = begin(&views).await;
    assert_eq!(list(&views, &mut transaction, "n/").await, ["n/1", "n/2"]);
    put(&views, &mut transaction, "n/1", None).await;
    put(&views, &mut transaction, "n/3", Some("n/3")).await;
    assert_eq!(get(&views, &mut transaction, "n/1").await, None);
    assert_eq!(
        get(&views, &mut transaction, "n/3").await.as_deref(),
        Some("n/3")
    );
    assert_eq!(list(&views, &mut transaction, "n/").await, ["n/2", "n/3"]);
    put(&views, &mut transaction, "n/3", None).await;
    put(&views, &mut transaction, "n/1", Some("n/1")).await;
    assert_eq!(list(&views, &mut transaction, "n/").await, ["n/1", "n/2"]);
    commit(&views, transaction).await;
    assert_eq!(listed(&views, "n/").await, ["n/1", "n/2"]);
}

pub(super) async fn reopened_views_have_all_notes<F: ViewFixture>(fixture: &F) {
    let views = fixture.open().await;
    write_keys(&views, ["n/1", "n/2"]).await;
    drop(views);
    let views = fixture.open().await;
    assert_eq!(listed(&views, "n/").await, ["n/1", "n/2"]);
}
