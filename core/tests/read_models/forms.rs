//! What is known of consumers as JSON, for handlers that answer it and rows that keep it.

use super::kit::{LONG, Seen, at_once, count, start};
use midgard::bus::{Message, Purpose};
use midgard::consumer::{DeadLetter, Status};
use midgard::inbox::ParkedMessage;
use midgard::process::Process;
use midgard::{
    EventId, LogId, MemoryStore, Midgard, Place, Position, StartFrom, StreamName, Subscription,
    Timestamp, Version, block_on,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Makes sure that a value is this JSON, and is read from it.
fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, json: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(serde_json::from_str::<T>(json).unwrap(), *value);
}

/// Makes sure that JSON is read, and written as it was.
fn is_kept<T: Serialize + DeserializeOwned>(json: &str) -> T {
    let value: T = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
    value
}

fn refused<T: DeserializeOwned + Debug>(json: &str) -> String {
    serde_json::from_str::<T>(json).unwrap_err().to_string()
}

#[test]
fn places_and_what_they_are_made_of() {
    is(&Position(7), "7");
    is(&Version(7), "7");
    is(&LogId(2), "2");
    is(&Place::main(Position(7)), r#"{"log":0,"position":7}"#);
    is(
        &Place::new(LogId(2), Position(u64::MAX)),
        r#"{"log":2,"position":18446744073709551615}"#,
    );
}

#[test]
fn places_of_one_log_are_ordered_and_print_as_positions_in_the_main_log() {
    let [first, second] = [1, 2].map(|at| Place::main(Position(at)));
    let elsewhere = Place::new(LogId(1), Position(3));
    assert!(first < second && Place::START < first);
    assert_eq!(second.partial_cmp(&elsewhere), None);
    assert_ne!(second, elsewhere);
    assert_eq!(second.to_string(), "2");
    assert_eq!(elsewhere.to_string(), "3 of log 1");
}

#[test]
fn times_names_and_ids_are_texts() {
    let time = Timestamp::from_micros(1_764_095_400_250_000);
    is(&time, r#""2025-11-25T18:30:00.250000Z""#);
    is(&Timestamp::default(), r#""1970-01-01T00:00:00.000000Z""#);
    // The last time that RFC 3339 can write, and the next.
    let last = 253_402_300_799_999_999;
    is(
        &Timestamp::from_micros(last),
        r#""9999-12-31T23:59:59.999999Z""#,
    );
    is(
        &Timestamp::from_micros(last + 1),
        r#""253402300800000000 microseconds after 1970""#,
    );
    is(
        &Timestamp::from_micros(u64::MAX),
        r#""18446744073709551615 microseconds after 1970""#,
    );
    let read: Timestamp = serde_json::from_str(r#""2025-11-25T20:30:00.25+02:00""#).unwrap();
    assert_eq!(read, time, "others write offsets");
    for not in [r#""tomorrow""#, r#""7 microseconds after 1970""#] {
        let error = refused::<Timestamp>(not);
        assert!(error.contains("is not a time in RFC 3339"), "{error}");
    }
    assert!(refused::<Timestamp>("7").contains("a time as RFC 3339 writes it"));

    is(&StreamName::new("order-\"7\"").unwrap(), r#""order-\"7\"""#);
    let error = refused::<StreamName>(r#""""#);
    assert!(error.contains("stream"), "{error}");
    let id: EventId = "0198c0de-0000-7000-8000-000000000007".parse().unwrap();
    is(&id, r#""0198c0de-0000-7000-8000-000000000007""#);
    assert!(refused::<EventId>("7").contains("the id of an event, a UUID"));
}

#[test]
fn the_status_of_a_consumer() {
    let json = r#"{"name":"mailer","kind":"subscription","state":"catching_up","place":{"log":0,"position":3},"end":{"log":0,"position":9},"handled":2,"skipped":1,"parked":1,"partitions":2,"all_partitions":4,"unowned_partitions":1,"rebuild":{"place":{"log":0,"position":3},"target":{"log":0,"position":7}},"handling":{"stage":"after_commit","name":"order.placed","place":{"log":0,"position":4},"message":null,"since":"1970-01-01T00:00:01.000000Z"},"last_error":{"message":"no","place":{"log":0,"position":2},"time":"1970-01-01T00:00:02.000000Z","failures":3}}"#;
    let status: Status = is_kept(json);
    assert_eq!(status.lag(), 6);

    let (store, seen) = (MemoryStore::new(), Seen::default());
    let parks = Subscription::events("mailer", StartFrom::Start).on_failure(at_once().then_park());
    let failing = seen.refuse(|delivery| delivery.event.number == 1);
    let running = start(Midgard::new(store.clone()).subscribe(parks, failing));
    let last = count(&store, "a", 0..3);
    running.wait("mailer", last);
    let status = running
        .handle
        .wait_until("mailer", LONG, |status| status.parked == 1);
    let status = block_on(status).unwrap();
    let json = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
    let letters = block_on(running.handle.dead_letters("mailer")).unwrap();
    let json = serde_json::to_string(&letters).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<DeadLetter>>(&json).unwrap(),
        letters
    );
    running.stop().unwrap();
}

#[test]
fn what_is_parked_and_processes() {
    is_kept::<DeadLetter>(
        r#"{"place":{"log":0,"position":3},"name":"order.placed","sequence":"order-7","error":"no","failures":1,"parked_at":"1970-01-01T00:00:01.000000Z","tried_at":"1970-01-01T00:00:02.000000Z"}"#,
    );
    is_kept::<Process>(
        r#"{"id":"7","since":"1970-01-01T00:00:01.000000Z","updated":"1970-01-01T00:00:02.000000Z","waiting_for":["stock.pick"],"deadline":null,"is_parked":false}"#,
    );
    // The payload is as it came, digit by digit.
    let parked: ParkedMessage = is_kept(
        r#"{"number":"0001","content":{"message":{"datacontenttype":"application/json","destination":"warehouse","id":"m-1","partitionkey":"7","purpose":"command","schemaversion":"2","source":"shipping","specversion":"1.0","type":"stock.pick","data":{"weight": 1.10, "amount": 1.10}}},"cause":"too_large","holds_key":true,"error":"no","failures":1,"parked_at":"1970-01-01T00:00:01.000000Z","tried_at":"1970-01-01T00:00:02.000000Z"}"#,
    );
    let message: Message = parked.content.unwrap();
    let service = "warehouse".to_owned();
    assert_eq!(message.purpose, Purpose::Command { service });
    assert_eq!(message.payload, br#"{"weight": 1.10, "amount": 1.10}"#);
    let foreign: ParkedMessage = is_kept(
        r#"{"number":"0002","content":{"foreign":{"reason":"it has no id","attributes":[["source","x"]],"data_base64":"AP8="}},"cause":"foreign","holds_key":false,"error":"no","failures":0,"parked_at":"1970-01-01T00:00:01.000000Z","tried_at":"1970-01-01T00:00:02.000000Z"}"#,
    );
    let foreign = foreign.content.unwrap_err();
    assert_eq!(
        (foreign.reason.as_str(), foreign.payload),
        ("it has no id", vec![0, 255])
    );
}
