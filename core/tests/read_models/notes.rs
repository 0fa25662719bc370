//! What consumers write down, word by word: it must stay readable, so that whatever changes here is a new format.

use super::kit::{Balances, Counted, Paid, Seen, accounts, at_once, count};
use midgard::Views;
use midgard::consumer::ConsumerOptions;
use midgard::event::Registry;
use midgard::store::ReadEntries;
use midgard::{MemoryStore, Midgard, StartFrom, Store as _, Subscription, block_on};
use std::ops::ControlFlow;

/// All notes whose keys begin with a prefix, without it. Times are written as `TIME`, and ids of events as `ID`.
fn notes(store: &MemoryStore, prefix: &str) -> Vec<(String, String)> {
    let mut notes = Vec::new();
    let read = ReadEntries::prefix(prefix.as_bytes());
    let each = &mut |key: &[u8], note: &[u8]| {
        let key = str::from_utf8(&key[prefix.len()..]).unwrap();
        let note = without_times(str::from_utf8(note).unwrap());
        notes.push((key.to_owned(), note));
        ControlFlow::Continue(())
    };
    block_on(store.read_entries(&read, each)).unwrap();
    notes
}

fn without_times(note: &str) -> String {
    let mut text = note.to_owned();
    for field in ["\"parked\":", "\"tried\":"] {
        if let Some((before, after)) = text.split_once(field) {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = after.len() - rest.len();
            assert_eq!(digits, 16, "microseconds since 1970");
            text = format!("{before}{field}TIME{rest}");
        }
    }
    if let Some((before, after)) = text.split_once("\"event\":\"") {
        text = format!("{before}\"event\":\"ID{}", &after[36..]);
    }
    text
}

#[test]
fn the_notes_of_a_projection_are_these_texts() {
    let (store, entries) = (MemoryStore::new(), MemoryStore::new());
    accounts(&store);
    let midgard = || {
        let options = ConsumerOptions::new().on_failure(at_once().then_park());
        let views = Views::new(entries.clone());
        let balances = Balances::<1>::refusing(99);
        Midgard::new(store.clone()).project_with(balances, views, options)
    };
    block_on(midgard().catch_up()).unwrap();
    block_on(midgard().handle().rebuild("balances")).unwrap();
    block_on(midgard().catch_up()).unwrap();
    block_on(midgard().handle().retry("balances", "account-ann")).unwrap();
    let wanted = [
        (
            "0000000002/checkpoint/0/00000",
            r#"{"format":1,"position":5,"event":"ID"}"#,
        ),
        (
            "0000000002/lease/00000",
            r#"{"format":1,"owner":null,"epoch":4}"#,
        ),
        (
            "0000000002/letter/0/00000000000000000003",
            r#"{"format":1,"log":0,"position":3,"sequence":"account-ann","partition":0,"name":"paid","error":"13 brings bad luck","failures":1,"parked":TIME,"tried":TIME}"#,
        ),
        (
            "0000000002/letter/0/00000000000000000005",
            r#"{"format":1,"log":0,"position":5,"sequence":"account-ann","partition":0,"name":"paid","error":"an earlier event of its sequence is parked","failures":0,"parked":TIME,"tried":TIME}"#,
        ),
        (
            "0000000002/request/0/00000000000000000005",
            r#"{"format":1,"log":0,"position":5,"is_eviction":false}"#,
        ),
        (
            "about",
            r#"{"format":1,"active":{"number":2,"version":1,"views":{"balance":"key text; fields account: String, cents: u64; index cents u64"},"events":["paid"],"rebuilds":1},"building":null,"last":2,"rebuilds":1,"reads":{"paid":1}}"#,
        ),
    ];
    let written = notes(&entries, "projection/balances/");
    let written = written.iter().map(|(key, note)| (&**key, &**note));
    assert_eq!(written.collect::<Vec<_>>(), wanted);
    assert!(
        notes(&store, "").is_empty(),
        "all of it is beside the views"
    );
}

#[test]
fn the_notes_of_a_subscription_are_these_texts_and_each_stream_stays_in_its_partition() {
    let store = MemoryStore::new();
    for stream in ["told-0", "told-1", "told-2", "told-3", "told-é"] {
        count(&store, stream, [1]);
    }
    let options = ConsumerOptions::new()
        .knows(&Registry::new().with::<Paid>().unwrap())
        .on_failure(at_once().then_park());
    let subscription = Subscription::<Counted>::events("mailer", StartFrom::Start)
        .partitions(4)
        .options(options);
    let handler = Seen::default().refuse(|_| true);
    let midgard = Midgard::new(store.clone()).subscribe(subscription, handler);
    block_on(midgard.catch_up()).unwrap();
    let wanted = [
        (
            "subscription/mailer/0000000000/checkpoint/0/00000",
            r#"{"format":1,"position":5,"event":"ID"}"#,
        ),
        (
            "subscription/mailer/0000000000/checkpoint/0/00001",
            r#"{"format":1,"position":5,"event":"ID"}"#,
        ),
        (
            "subscription/mailer/0000000000/checkpoint/0/00002",
            r#"{"format":1,"position":5,"event":"ID"}"#,
        ),
        (
            "subscription/mailer/0000000000/checkpoint/0/00003",
            r#"{"format":1,"position":5,"event":"ID"}"#,
        ),
        (
            "subscription/mailer/0000000000/lease/00000",
            r#"{"format":1,"owner":null,"epoch":2}"#,
        ),
        (
            "subscription/mailer/0000000000/lease/00001",
            r#"{"format":1,"owner":null,"epoch":2}"#,
        ),
        (
            "subscription/mailer/0000000000/lease/00002",
            r#"{"format":1,"owner":null,"epoch":2}"#,
        ),
        (
            "subscription/mailer/0000000000/lease/00003",
            r#"{"format":1,"owner":null,"epoch":2}"#,
        ),
        (
            "subscription/mailer/0000000000/letter/0/00000000000000000001",
            r#"{"format":1,"log":0,"position":1,"sequence":"told-0","partition":1,"name":"counted","error":"no 1 today","failures":1,"parked":TIME,"tried":TIME}"#,
        ),
        (
            "subscription/mailer/0000000000/letter/0/00000000000000000002",
            r#"{"format":1,"log":0,"position":2,"sequence":"told-1","partition":2,"name":"counted","error":"no 1 today","failures":1,"parked":TIME,"tried":TIME}"#,
        ),
        (
            "subscription/mailer/0000000000/letter/0/00000000000000000003",
            r#"{"format":1,"log":0,"position":3,"sequence":"told-2","partition":3,"name":"counted","error":"no 1 today","failures":1,"parked":TIME,"tried":TIME}"#,
        ),
        (
            "subscription/mailer/0000000000/letter/0/00000000000000000004",
            r#"{"format":1,"log":0,"position":4,"sequence":"told-3","partition":0,"name":"counted","error":"no 1 today","failures":1,"parked":TIME,"tried":TIME}"#,
        ),
        (
            "subscription/mailer/0000000000/letter/0/00000000000000000005",
            r#"{"format":1,"log":0,"position":5,"sequence":"told-é","partition":3,"name":"counted","error":"no 1 today","failures":1,"parked":TIME,"tried":TIME}"#,
        ),
        (
            "subscription/mailer/about",
            r#"{"format":1,"partitions":4,"start":0,"coverage":{"events":{"counted":1}}}"#,
        ),
        (
            "subscription/mailer/known",
            r#"{"format":1,"names":["counted","paid"]}"#,
        ),
    ];
    let written = notes(&store, "");
    let written = written.iter().map(|(key, note)| (&**key, &**note));
    assert_eq!(written.collect::<Vec<_>>(), wanted);
}
