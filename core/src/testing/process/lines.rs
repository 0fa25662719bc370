//! The consequences, line by line, and their differences.

use crate::process::{Due, Step};
use crate::testing::given::difference::merge;
use crate::testing::sound;
use serde_json::Value;

/// Describes steps in the words of the reactions themselves.
pub(super) fn lines(steps: &[Step]) -> Vec<String> {
    let texts = steps.iter().map(|step| match step {
        Step::Execute(command) => command.text(),
        Step::Send(command) => {
            let key = command.key.as_ref();
            let key = key.map_or_else(String::new, |key| format!(" under key \"{key}\""));
            let (name, service) = (&command.encoded.name, command.service);
            format!(
                "send {name} to {service}{key}: {}",
                json(&command.encoded.payload)
            )
        }
        Step::Remind { deadline, due } => {
            let due = match due {
                Due::After(after) => format!("in {after:?}"),
                Due::FromNow(after) => format!("in {after:?} from now"),
                Due::At(time) => format!("at {time}"),
            };
            format!(
                "remind {due} of {}: {}",
                deadline.encoded.name,
                json(&deadline.encoded.payload)
            )
        }
        Step::Cancel(name) => format!("cancel {name}"),
        Step::Complete => "complete".to_owned(),
    });
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn json(data: &[u8]) -> String {
    let value: Value = sound(serde_json::from_slice(data));
    format!("{value:#}")
}

/// Both sides; lines on one side alone are marked.
pub(in crate::testing) fn difference(expected: &[String], found: &[String]) -> String {
    let lines = merge(expected, found).into_iter();
    lines
        .map(|(mark, line)| format!("\n{mark} {line}"))
        .collect()
}
