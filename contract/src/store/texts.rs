//! Names, tags and headers are any UTF-8 and come back byte for byte: stores neither normalise nor
//! fold nor trim.

use super::kit::*;

/// Texts that some layer on the way to a disk is known to have changed.
const TEXTS: [&str; 22] = [
    "плоский",
    "日本語",
    "🦀🌳👩‍👩‍👧‍👦",
    "שלום עולם",
    "\u{202e}abc",
    "e\u{301}",
    "\u{e9}",
    "İstanbul",
    "STRASSE",
    "straße",
    " leading",
    "trailing ",
    "line\nbreak",
    "\r\n",
    "\t",
    "\u{feff}bom",
    "%00",
    "a/b/../c\\d",
    "'; drop table events; --",
    "\"quoted\"",
    "\u{10ffff}",
    "\u{7f}\u{80}\u{1}",
];

pub(super) async fn any_text_names_a_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut append = Append::default();
    for text in TEXTS {
        append = append.and(stream(text), NoStream, events(2));
    }
    put(&store, append.clone()).await;
    for part in append.parts() {
        holds(&store, part.stream.as_str(), &part.events).await;
    }
}

pub(super) async fn any_text_names_an_event<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = TEXTS.map(named);
    put(&store, to(STREAM, Any, all.clone())).await;
    holds(&store, STREAM, &all).await;
    for (text, one) in TEXTS.iter().zip(&all) {
        let found = matching(&store, QueryItem::new().name(*text)).await;
        assert_same(&found, std::slice::from_ref(one));
    }
}

pub(super) async fn any_text_is_a_tag<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = TEXTS.map(|text| tagged("some.event", &[text, &format!("key:{text}")]));
    put(&store, to(STREAM, Any, all.clone())).await;
    holds(&store, STREAM, &all).await;
    for (text, one) in TEXTS.iter().zip(&all) {
        for tag in [(*text).to_owned(), format!("key:{text}")] {
            let found = matching(&store, QueryItem::new().tag(tag)).await;
            assert_same(&found, std::slice::from_ref(one));
        }
    }
}

pub(super) async fn any_text_is_a_header<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let headers = TEXTS.iter().map(|text| (text, text)).collect();
    let one = event().with_metadata(Metadata::new().with_headers(headers));
    put(&store, to(STREAM, Any, [one.clone()])).await;
    holds(&store, STREAM, &[one]).await;
}

pub(super) async fn name_of_five_hundred_bytes_in_any_script<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for name in ["é".repeat(250), "🦀".repeat(125), "日".repeat(166) + "ab"] {
        assert_eq!(
            name.len(),
            limits::STREAM_NAME_BYTES,
            "the limit is in bytes"
        );
        let events = put_any(&store, &name, 2).await;
        holds(&store, &name, &events).await;
    }
}

pub(super) async fn name_of_one_character<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut append = Append::default();
    for character in (1..=127_u8).map(char::from) {
        append = append.and(stream(&character.to_string()), NoStream, events(1));
    }
    put(&store, append.clone()).await;
    for part in append.parts() {
        assert_same(&history(&store, part.stream.as_str()).await, &part.events);
    }
}

pub(super) async fn text_that_looks_like_several<F: Fixture>(fixture: &F) {
    // A store that joins texts with a separator would confuse the two.
    let store = fixture.open();
    let pairs = [
        ["a:b,c", "d"],
        ["a:b", "c,d"],
        ["a", "b:c:d"],
        ["a b", "c\u{1f}d"],
    ];
    let all = pairs.map(|tags| tagged("some.event", &tags));
    put(&store, to(STREAM, Any, all.clone())).await;
    holds(&store, STREAM, &all).await;
    for (tags, one) in pairs.iter().zip(&all) {
        let item = QueryItem::new().tag(tags[0]).tag(tags[1]);
        assert_same(&matching(&store, item).await, std::slice::from_ref(one));
    }
}
