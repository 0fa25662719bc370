//! Messages as CloudEvents: every field survives, what others write is read, and what is no message says why.

use midgard::bus::{ForeignMessage, Message, Purpose, Topic};
use midgard::event::{Codec, DecodeReason, Encoded};
use midgard::{Done, EventId, LogId, Place, Position, Timestamp};
use serde_json::{Value, json};

/// A message with every field set.
fn full(purpose: Purpose) -> Message {
    let mut message = Message::new(
        purpose,
        "orders",
        Encoded::json("order.placed", 3, br#"{"order":7}"#.to_vec()),
    );
    message = message
        .with_subject("order-7")
        .with_key("customer-4")
        .with_id("17");
    message.time = Some(Timestamp::from_micros(1_764_000_000_123_456));
    message.expires = Some(Timestamp::from_micros(1_765_000_000_123_456));
    message.reply_to = Some("placement".to_owned());
    message.correlation_id = Some(EventId::new());
    message.causation_id = Some(EventId::new());
    message.place = Some(Place::main(Position(41)));
    message.headers = [("user", "jun"), ("größe", "\"4\"\n")]
        .into_iter()
        .collect();
    message
}

fn command() -> Purpose {
    Purpose::Command {
        service: "customers".to_owned(),
    }
}

fn reply() -> Purpose {
    Purpose::Reply {
        to: "placement".to_owned(),
    }
}

fn again(message: &Message) -> Message {
    let attributes = Vec::from_iter(message.attributes());
    let pairs = attributes.iter().map(|(name, value)| (*name, &**value));
    Message::from_attributes(pairs, message.payload.clone()).unwrap()
}

fn read(attributes: &[(&str, &str)]) -> Result<Message, ForeignMessage> {
    Message::from_attributes(attributes.iter().copied(), b"{}".to_vec())
}

/// The attributes without which there is no CloudEvent.
const LEAST: [(&str, &str); 4] = [
    ("specversion", "1.0"),
    ("id", "17"),
    ("source", "orders"),
    ("type", "order.placed"),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Result<Message, ForeignMessage> {
    read(&[&LEAST, more].concat())
}

fn without(name: &str) -> Result<Message, ForeignMessage> {
    let left = LEAST.into_iter().filter(|(other, _)| *other != name);
    read(&Vec::from_iter(left))
}

fn value(message: &Message) -> Value {
    serde_json::from_str(&message.to_json()).unwrap()
}

#[test]
fn a_message_names_its_codec_and_without_one_it_is_json() {
    let mut message = Message::event("orders", "midgard.done", 1, b"7".to_vec());
    let kind = |message: &Message| {
        let attributes: Vec<_> = message.attributes().collect();
        let kind = attributes
            .into_iter()
            .find(|(name, _)| *name == "datacontenttype");
        kind.unwrap().1.into_owned()
    };
    assert_eq!(kind(&message), "application/json");
    message.codec = Codec::from_code(200);
    assert_eq!(kind(&message), "application/vnd.midgard.codec-200");
    let (binary, structured) = (again(&message), message.to_json());
    assert_eq!(binary, message);
    assert!(
        structured.contains("\"data_base64\":\"Nw==\""),
        "{structured}"
    );
    assert_eq!(Message::from_json(structured.as_bytes()).unwrap(), message);
    let error = binary.decode::<Done>().unwrap_err();
    assert!(matches!(error.reason, DecodeReason::UnknownCodec(codec) if codec.code() == 200));

    assert_eq!(with(&[]).unwrap().codec, Codec::JSON);
    for json in ["application/json", "application/orders+json; charset=utf-8"] {
        let message = with(&[("datacontenttype", json)]).unwrap();
        assert_eq!(message.codec, Codec::JSON);
    }
    for other in [
        "text/xml",
        "application/vnd.midgard.codec-",
        "application/vnd.midgard.codec-256",
    ] {
        let foreign = with(&[("datacontenttype", other)]).unwrap_err();
        assert!(foreign.reason.contains(other), "{foreign}");
    }
}

#[test]
fn every_field_survives_as_attributes() {
    for purpose in [Purpose::Event, command(), reply()] {
        let message = full(purpose);
        assert_eq!(again(&message), message);
    }
    let bare = Message::event("orders", "order.placed", 1, Vec::new());
    assert_eq!(again(&bare), bare);
}

#[test]
fn every_field_survives_as_json() {
    for purpose in [Purpose::Event, command(), reply()] {
        let message = full(purpose);
        assert_eq!(
            Message::from_json(message.to_json().as_bytes()).unwrap(),
            message
        );
    }
}

#[test]
fn payload_survives_as_json_whatever_it_is() {
    let payloads: [&[u8]; 8] = [
        b"{}",
        b"null",
        b"17",
        b"\"text\"",
        b"{\"z\":1,\"a\": 1.50}",
        "{\"text\":\"Grüße 🦀\"}".as_bytes(),
        b"no json",
        &[0, 159, 255],
    ];
    for payload in payloads {
        let message = Message::event("orders", "order.placed", 1, payload.to_vec());
        let read = Message::from_json(message.to_json().as_bytes()).unwrap();
        assert_eq!(read, message, "{:?}", message.to_json());
    }
}

#[test]
fn empty_payload_survives_as_json() {
    let message = Message::event("orders", "order.placed", 1, Vec::new());
    assert_eq!(
        Message::from_json(message.to_json().as_bytes()).unwrap(),
        message
    );
}

#[test]
fn attributes_have_the_names_of_cloud_events() {
    let message = full(command());
    let attributes = message.attributes();
    let attributes = Vec::from_iter(attributes.map(|(name, value)| (name, value.into_owned())));
    let correlation = message.correlation_id.unwrap().to_string();
    let causation = message.causation_id.unwrap().to_string();
    let expected = [
        ("specversion", "1.0"),
        ("id", "17"),
        ("source", "orders"),
        ("type", "order.placed"),
        ("datacontenttype", "application/json"),
        ("time", "2025-11-24T16:00:00.123456Z"),
        ("expirytime", "2025-12-06T05:46:40.123456Z"),
        ("subject", "order-7"),
        ("partitionkey", "customer-4"),
        ("schemaversion", "3"),
        ("purpose", "command"),
        ("destination", "customers"),
        ("replyto", "placement"),
        ("correlationid", &correlation),
        ("causationid", &causation),
        ("position", "41"),
        ("headers", "{\"user\":\"jun\",\"größe\":\"\\\"4\\\"\\n\"}"),
    ];
    let expected = expected.map(|(name, value)| (name, value.to_owned()));
    assert_eq!(attributes, expected);
    let is_allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    for (name, _) in attributes {
        assert!(name.len() <= 20 && name.chars().all(is_allowed), "{name}");
    }
}

#[test]
fn event_says_nothing_of_its_purpose() {
    let message = Message::event("orders", "order.placed", 1, Vec::new());
    let names = Vec::from_iter(message.attributes().map(|(name, _)| name));
    let expected = [
        "specversion",
        "id",
        "source",
        "type",
        "datacontenttype",
        "partitionkey",
        "schemaversion",
    ];
    assert_eq!(names, expected);
}

#[test]
fn json_is_a_structured_cloud_event() {
    let message = full(Purpose::Event);
    let json = value(&message);
    assert_eq!(json["specversion"], "1.0");
    assert_eq!(json["type"], "order.placed");
    assert_eq!(json["partitionkey"], "customer-4");
    assert_eq!(json["data"], json!({"order": 7}));
    let binary = Message::event("orders", "order.placed", 1, vec![0, 159, 255]);
    let json = value(&binary);
    assert_eq!(json["data_base64"], "AJ//");
    assert_eq!(json.get("data"), None);
}

/// The first example of the specification of CloudEvents 1.0.2, as it stands there.
#[test]
fn example_of_the_specification_is_refused_for_its_payload() {
    let example = br#"{
        "specversion" : "1.0",
        "type" : "com.github.pull_request.opened",
        "source" : "https://github.com/cloudevents/spec/pull",
        "subject" : "123",
        "id" : "A234-1234-1234",
        "time" : "2018-04-05T17:31:00Z",
        "comexampleextension1" : "value",
        "comexampleothervalue" : 5,
        "datacontenttype" : "text/xml",
        "data" : "<much wow=\"xml\"/>"
    }"#;
    let foreign = Message::from_json(example).unwrap_err();
    assert_eq!(
        foreign.reason,
        "its payload is text/xml, and this program reads application/json"
    );
    assert_eq!(foreign.payload, example, "the whole text is its payload");
}

/// An example of the JSON format of CloudEvents 1.0.2 with a payload in JSON.
#[test]
fn example_of_the_format_is_read() {
    let example = br#"{
        "specversion" : "1.0",
        "type" : "com.example.someevent",
        "source" : "/mycontext",
        "subject": null,
        "id" : "C234-1234-1234",
        "time" : "2018-04-05T17:31:00+02:00",
        "comexampleextension1" : "value",
        "comexampleothervalue" : 5,
        "datacontenttype" : "application/json",
        "data" : {
            "appinfoA" : "abc",
            "appinfoB" : 123,
            "appinfoC" : true
        }
    }"#;
    let message = Message::from_json(example).unwrap();
    assert_eq!(message.id, "C234-1234-1234");
    assert_eq!(message.source, "/mycontext");
    assert_eq!(message.topic(), Topic::event("com.example.someevent"));
    assert_eq!(
        message.time.unwrap().to_string(),
        "2018-04-05T15:31:00.000000Z"
    );
    assert_eq!((message.subject, &*message.key), (None, "C234-1234-1234"));
    assert_eq!(message.schema_version, 1);
    let data: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(
        data,
        json!({"appinfoA": "abc", "appinfoB": 123, "appinfoC": true})
    );
}

#[test]
fn event_without_data_is_read() {
    let json = br#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    assert_eq!(Message::from_json(json).unwrap().payload, b"");
}

#[test]
fn event_with_data_in_base64_is_read() {
    let json = br#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"eyJvcmRlciI6N30="}"#;
    assert_eq!(Message::from_json(json).unwrap().payload, br#"{"order":7}"#);
    let json =
        br#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":7,"data_base64":null}"#;
    assert_eq!(Message::from_json(json).unwrap().payload, b"7");
}

#[test]
fn numbers_are_attributes_too() {
    let json = br#"{"specversion":"1.0","id":"1","source":"s","type":"t","schemaversion":2,"position":41}"#;
    let message = Message::from_json(json).unwrap();
    assert_eq!(
        (message.schema_version, message.place),
        (2, Some(Place::main(Position(41))))
    );
}

#[test]
fn a_place_in_another_log_names_the_log_and_is_no_position_of_the_main_one() {
    let mut message = full(Purpose::Event);
    message.place = Some(Place::new(LogId(2), Position(41)));
    let attributes = message.attributes();
    let position = attributes.filter(|(name, _)| *name == "position");
    let texts: Vec<_> = position.map(|(_, text)| text.into_owned()).collect();
    assert_eq!(texts, ["2/41"]);
    let json = message.to_json();
    assert_eq!(
        Message::from_json(json.as_bytes()).unwrap().place,
        message.place
    );
}

#[test]
fn escapes_in_texts_are_read() {
    let json = br#"{"specversion":"1.0","id":"\u0031\"","source":"s","type":"t","subject":"gr\u00f6\u00dfe"}"#;
    let message = Message::from_json(json).unwrap();
    assert_eq!(
        (&*message.id, message.subject.as_deref()),
        ("1\"", Some("größe"))
    );
}

#[test]
fn key_is_the_subject_when_it_is_missing_or_else_the_id() {
    assert_eq!(with(&[]).unwrap().key, "17");
    assert_eq!(with(&[("subject", "order-7")]).unwrap().key, "order-7");
    let both = with(&[("subject", "order-7"), ("partitionkey", "customer-4")]);
    assert_eq!(both.unwrap().key, "customer-4");
}

#[test]
fn content_types_of_json_are_read() {
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/vnd.order+json",
        "application/vnd.order+JSON ; charset=utf-8",
        "text/json",
        "",
    ] {
        assert!(with(&[("datacontenttype", kind)]).is_ok(), "{kind}");
    }
}

#[test]
fn attributes_that_are_not_known_are_passed_over() {
    let message = with(&[("traceparent", "00-4bf9-01"), ("x", "")]).unwrap();
    assert_eq!(message, with(&[]).unwrap());
}

/// What CloudEvents allows, and what other programs mean by extensions of these names.
#[test]
fn attributes_in_another_form_are_of_others_and_in_nobodys_way() {
    let bare = with(&[]).unwrap();
    let others: [(&str, &str); 24] = [
        ("correlationid", "7"),
        ("correlationid", "order 7, by Ann"),
        ("causationid", "not an id"),
        ("time", "0001-01-01T00:00:00Z"),
        ("time", "1969-12-31T23:59:59.999Z"),
        ("time", "yesterday"),
        ("position", "north"),
        ("position", "1.5"),
        ("position", "41"),
        ("position", "-1"),
        ("headers", "user=jun"),
        ("headers", "{\"user\":7}"),
        ("headers", "{\"user\":\"jun\"} and more"),
        ("headers", "[]"),
        ("schemaversion", "two"),
        ("schemaversion", "0"),
        ("schemaversion", "-1"),
        ("schemaversion", "1.0.2"),
        ("schemaversion", "4294967296"),
        ("purpose", "joke"),
        ("purpose", "command"),
        ("purpose", "reply"),
        ("destination", "Berlin"),
        ("sequence", "7"),
    ];
    for (name, value) in others {
        assert_eq!(
            with(&[(name, value)]).as_ref(),
            Ok(&bare),
            "{name}: {value}"
        );
    }
}

#[test]
fn times_with_small_letters_are_read() {
    let time = |text| with(&[("time", text)]).unwrap().time.unwrap().to_string();
    assert_eq!(time("2025-11-24t16:00:00z"), "2025-11-24T16:00:00.000000Z");
    assert_eq!(
        time("2025-11-24t18:00:00.5+02:00"),
        "2025-11-24T16:00:00.500000Z"
    );
}

#[test]
fn what_others_send_by_the_table_is_read_without_a_schema_version() {
    let command = [
        ("purpose", "command"),
        ("destination", "customers"),
        ("replyto", "shop"),
    ];
    let command = with(&command).unwrap();
    assert_eq!(command.topic(), Topic::command("customers", "order.placed"));
    assert_eq!(command.reply_to.as_deref(), Some("shop"));
    let id = EventId::new();
    let text = id.to_string();
    let event = [("correlationid", &*text), ("headers", "{\"user\":\"jun\"}")];
    let event = with(&event).unwrap();
    assert_eq!(event.correlation_id, Some(id));
    assert_eq!(event.headers.view().get("user"), Some("jun"));
}

fn foreign_for_its_headers(headers: &str) -> String {
    let refused = with(&[("schemaversion", "1"), ("headers", headers)]).unwrap_err();
    let reason = "its `headers` are too many or too long: ";
    refused.reason.strip_prefix(reason).unwrap().to_owned()
}

/// However large it is, no more of it is read than may be there: what follows is no JSON, and nobody notices.
#[test]
fn headers_beyond_the_limits_of_events_are_foreign_and_are_not_read_to_their_end() {
    let many = "an event has 65 headers; at most 64 are allowed";
    let distinct: String = (0..800).map(|key| format!("\"{key}\":\"\",")).collect();
    assert_eq!(
        foreign_for_its_headers(&format!("{{{distinct} no JSON")),
        many
    );
    let repeated = "\"a\":\"\",".repeat(8000);
    assert_eq!(
        foreign_for_its_headers(&format!("{{{repeated} no JSON")),
        many
    );
    let key = "k".repeat(256);
    assert_eq!(
        foreign_for_its_headers(&format!("{{\"{key}\":\"\" no JSON")),
        "the key of a header has 256 bytes; at most 255 are allowed"
    );
    let value = "v".repeat(4097);
    assert_eq!(
        foreign_for_its_headers(&format!("{{\"key\":\"{value}\" no JSON")),
        "the value of a header has 4097 bytes; at most 4096 are allowed"
    );
}

#[test]
fn headers_within_the_limits_are_read_and_the_last_of_a_key_counts() {
    let most: String = (0..63).map(|key| format!("\"{key}\":\"\",")).collect();
    let message = with(&[("headers", &format!("{{{most}\"0\":\"last\"}}"))]).unwrap();
    assert_eq!(message.headers.view().iter().count(), 63);
    assert_eq!(message.headers.view().get("0"), Some("last"));
}

#[test]
fn what_is_no_message_says_why() {
    let reason = |outcome: Result<Message, ForeignMessage>| outcome.unwrap_err().reason;
    for name in ["specversion", "id", "source", "type"] {
        let missing = format!("it has no attribute `{name}`, which CloudEvents 1.0 requires");
        assert_eq!(reason(without(name)), missing);
    }
    let empty = [
        ("specversion", "1.0"),
        ("id", ""),
        ("source", "s"),
        ("type", "t"),
    ];
    assert_eq!(
        reason(read(&empty)),
        "it has no attribute `id`, which CloudEvents 1.0 requires"
    );
    let old = [
        ("specversion", "0.3"),
        ("id", "1"),
        ("source", "s"),
        ("type", "t"),
    ];
    assert_eq!(
        reason(read(&old)),
        "it is of CloudEvents 0.3, and this program reads 1.0"
    );

    let of_json = [
        "text/xml",
        "json",
        "application/json-seq",
        "application/vnd.json+xml",
    ];
    for kind in of_json {
        assert_eq!(
            reason(with(&[("datacontenttype", kind)])),
            format!("its payload is {kind}, and this program reads application/json")
        );
    }
    let wrong: [(&[(&str, &str)], &str); 2] = [
        (
            &[("schemaversion", "1"), ("purpose", "query")],
            "its purpose is \"query\", which is not known here; a newer release may know it",
        ),
        (
            &[("schemaversion", "1"), ("purpose", "command")],
            "it is a command without the attribute `destination`, and so for nobody",
        ),
    ];
    for (attributes, expected) in wrong {
        let reason = reason(with(attributes));
        assert!(reason.starts_with(expected), "{attributes:?}: {reason}");
    }
}

#[test]
fn json_that_is_no_message_says_why() {
    let wrong: [(&[u8], &str); 9] = [
        (b"", "it is no JSON object ("),
        (b"hello", "it is no JSON object ("),
        (b"[]", "it is no JSON object ("),
        (b"null", "it is no JSON object ("),
        (&[0xff, 0xfe], "it is no JSON object ("),
        (b"{\"specversion\":\"1.0\",", "it is no JSON object ("),
        (b"{}", "it has no attribute `specversion`"),
        (
            br#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"%"}"#,
            "its `data_base64` is no base64 (",
        ),
        (
            br#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":17}"#,
            "its `data_base64` is no ",
        ),
    ];
    for (json, expected) in wrong {
        let foreign = Message::from_json(json).unwrap_err();
        let text = String::from_utf8_lossy(json);
        assert!(
            foreign.reason.starts_with(expected),
            "{text}: {}",
            foreign.reason
        );
        assert_eq!(foreign.payload, json, "{text}");
        assert_eq!(
            foreign.to_string(),
            format!("it is not a message: {}", foreign.reason)
        );
    }
}

#[test]
fn foreign_message_has_all_that_was_given() {
    let given = [("type", "t"), ("specversion", "9.9"), ("x", "y")];
    let foreign = Message::from_attributes(given, b"hello".to_vec()).unwrap_err();
    let mut attributes =
        Vec::from_iter(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
    attributes.sort();
    assert_eq!(
        (foreign.attributes, foreign.payload),
        (attributes, b"hello".to_vec())
    );
}
