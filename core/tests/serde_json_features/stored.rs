//! Numbers that are texts.

use crate::kit::{event, loaded, stored};
use crate::values::{Kept, Untagged};
use midgard::{Aggregate, Apply, Event, MemoryStore, Repository, Store, StreamName, block_on};
use midgard::store::{Append, ExpectedVersion};
use midgard::event::NewEvent;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::collections::BTreeMap;

#[test]
fn the_feature_is_on() {
    let number: Number = serde_json::from_str("1.50").unwrap();
    assert_eq!(number.to_string(), "1.50");
}

event!(Sent(Kept), "parcel.sent");

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "parcel", id = u32, events(Sent))]
struct Parcel {
    sent: Vec<Kept>,
}

impl Apply<Sent> for Parcel {
    fn apply(&mut self, event: Sent) {
        self.sent.push(event.value);
    }
}

/// As another program wrote it, in which a number was a number.
const STORED: &str = r#"{"value":{"double":0.18363107969918246,"single":0.1,"signed":-9223372036854775808,"unsigned":18446744073709551615,"text":"","maybe":null,"external":{"Two":[7,"a"]},"internal":{"is":"Named","double":1e23,"signed":-1},"adjacent":{"is":"Two","with":[-5,2.5]},"untagged":5.0,"more":-0.0}}"#;

#[test]
fn what_was_stored_without_the_feature_is_read() {
    let store = MemoryStore::new();
    let event = NewEvent::json(Sent::NAME, 1, STORED.into());
    let append = Append::to(
        StreamName::new("parcel-7").unwrap(),
        ExpectedVersion::Any,
        [event],
    );
    block_on(store.append(append)).unwrap();
    let parcel = block_on(Repository::<Parcel, _>::new(store).load(&7))
        .unwrap()
        .into_state();
    let [sent] = parcel.sent.try_into().unwrap();
    assert_eq!(
        (sent.inner.double, sent.inner.unsigned),
        (0.18363107969918246, u64::MAX)
    );
    // Were it taken for a map of one text, another variant would have it.
    assert_eq!(sent.untagged, Untagged::Double(5.0));
    let event = NewEvent::encode(&Sent { value: sent }).unwrap();
    // Older releases of serde_json write exponents without their sign.
    let written = String::from_utf8(event.payload).unwrap();
    assert_eq!(written.replace("1e+23", "1e23"), STORED);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Either {
    Number(f64),
    Map(BTreeMap<String, String>),
    List(Vec<Either>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Precise {
    number: Number,
    any: Value,
    either: Either,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

event!(PreciseStored(Precise), "precise");

/// This is what the feature is for.
#[test]
fn numbers_with_many_digits_come_back_with_all_of_them() {
    let digits = "3.14159265358979323846264338327950288419716939937510";
    let text = format!(
        r#"{{"value":{{"number":{digits},"any":[1.50,-0,{digits},{{"a":1e+400}}],"either":[0.5,{{}},{{"$serde":"a"}}],"more":-{digits}}}}}"#
    );
    let event = NewEvent::json(PreciseStored::NAME, 1, text.clone().into_bytes());
    let event: PreciseStored = loaded(vec![event]).remove(0);
    assert_eq!(event.value.number.as_str(), digits);
    let again = stored(&[event.clone()]).remove(0);
    assert_eq!(again.value, event.value);
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
}
