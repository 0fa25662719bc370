//! The names of all spans and fields that Midgard traces, for filters, dashboards and alerts.
//!
//! Midgard traces with [`tracing`](https://docs.rs/tracing), and brings no subscriber. Payloads, and values within them, are
//! never traced.
//!
//! Everything a consumer traces, including its handler's own lines, is in a span called `consumer`, at level INFO, with the
//! fields `consumer` and `kind`.
//!
//! | level | what is traced |
//! |---|---|
//! | ERROR | problems that need attention at once |
//! | WARN | failures, and whether they are retried, parked, skipped or given up |
//! | INFO | what a consumer has begun or ended, and what readers see |
//! | DEBUG | conflicts with others, after which work is repeated at once |
//!
//! | field | what it holds |
//! |---|---|
//! | `ahead_seconds` | by how much the clock was ahead, in seconds |
//! | `clock` | the time of the clock |
//! | `consumer` | the name of a consumer |
//! | `end` | the last position of the log |
//! | `error` | what went wrong, as a text |
//! | `event` | the stored name of an event |
//! | `failures` | how often it has failed in a row |
//! | `from` | the state of a consumer before |
//! | `generation` | the number of a generation of views |
//! | `kind` | what a consumer is: `subscription`, `projection`, `process manager`, `inbox` or `outbox` |
//! | `last` | the last time that the log has |
//! | `message_id` | the id of a message, or of the command that it answers |
//! | `parked_message` | the number of a parked message |
//! | `position` | the position of an event, or that up to which a consumer has handled everything |
//! | `process` | the id of a process |
//! | `queue` | the name of a queue |
//! | `reason` | why something is done |
//! | `removed` | the topics that a queue no longer has |
//! | `sequence` | the sequence of an event |
//! | `shard` | the number of a shard of a sharded store |
//! | `state` | the state of a consumer |
//! | `stream` | the name of a stream |
//! | `to` | the state of a consumer from then on |
//! | `tries` | how often it was tried |
//!
//! The LMDB store and the buses trace with these fields as well, outside that span where they run threads or tasks of
//! their own:
//!
//! | field | what it holds |
//! |---|---|
//! | `appends` | how many appends have failed together |
//! | `description` | the words of an answer of NATS |
//! | `failure` | why a commit of LMDB has failed |
//! | `here` | how many messages that are not acknowledged this receiver has |
//! | `length` | the length of a file, in bytes |
//! | `location` | the address of a broker, without its password |
//! | `map_size` | the size of the map of LMDB, in bytes |
//! | `nats_event` | what the client of NATS reports |
//! | `path` | the path of a file, or of a store |
//! | `resume_at` | the position of the log at which merging goes on |
//! | `seconds` | for how long publishing has waited, in seconds |
//! | `status` | the status of an answer of NATS |
//! | `stream_sequence` | the sequence of a message in the stream of NATS |
//! | `trouble` | why a queue could not be declared |
//! | `unacknowledged` | how many messages of a queue are not acknowledged |
//! | `used` | how much of a file is in use, in bytes |
//! | `version` | the version of a server |

use crate::consumer::ConsumerKind;
use tracing::Span;

/// Returns the span of everything a consumer does.
pub(crate) fn consumer(name: &str, kind: ConsumerKind) -> Span {
    tracing::info_span!("consumer", consumer = name, kind = %kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn what_is_listed_is_what_is_traced() {
        let mut traced = BTreeSet::new();
        let core = Path::new(env!("CARGO_MANIFEST_DIR"));
        collect(&core.join("src"), &mut traced);
        for other in [
            "store-lmdb",
            "store-postgres",
            "store-sharded",
            "bus-nats",
            "bus-rabbitmq",
        ] {
            let folder = core.join("..").join(other).join("src");
            if !folder.is_dir() {
                // The package by itself, as it is published.
                return;
            }
            collect(&folder, &mut traced);
        }
        let listed: BTreeSet<String> = include_str!("telemetry.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `")?.split_once('`'))
            .map(|(field, _)| field.to_owned())
            .collect();
        assert_eq!(traced, listed, "left: traced, right: listed above");
    }

    #[test]
    fn fields_are_found_however_they_are_written() {
        let call = r#"a = b.0, c.d = %e, %f, ?g, h, i = f(j, "k, l"), "m, {n}", o"#;
        let fields: Vec<_> = fields(&format!("{call}); p")).collect();
        assert_eq!(fields, ["a", "c.d", "f", "g", "h", "i"]);
    }

    fn collect(folder: &Path, traced: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, traced);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                for call in text.split("tracing::").skip(1) {
                    let levels = ["trace!(", "debug!(", "info!(", "warn!(", "error!("];
                    let arguments = levels.iter().find_map(|level| call.strip_prefix(level));
                    traced.extend(arguments.into_iter().flat_map(fields));
                    let span = call.strip_prefix("info_span!(\"consumer\",");
                    traced.extend(span.into_iter().flat_map(fields));
                }
            }
        }
    }

    /// Returns the names of the fields in the arguments of a call, up to its message.
    fn fields(arguments: &str) -> impl Iterator<Item = String> {
        let (mut depth, mut is_text, mut all) = (0, false, vec![String::new()]);
        for letter in arguments.chars() {
            match letter {
                '"' => is_text = !is_text,
                '(' | '[' | '{' if !is_text => depth += 1,
                ')' | ']' | '}' if !is_text && depth == 0 => break,
                ')' | ']' | '}' if !is_text => depth -= 1,
                ',' if !is_text && depth == 0 => {
                    all.push(String::new());
                    continue;
                }
                _ => {}
            }
            if let Some(last) = all.last_mut() {
                last.push(letter);
            }
        }
        let all = all.into_iter().map(|one| one.trim().to_owned());
        let fields = all.take_while(|one| !one.starts_with('"') && !one.is_empty());
        fields.map(|one| {
            let name = one.split('=').next().unwrap_or_default();
            let name = name.trim().trim_start_matches(['%', '?']);
            name.to_owned()
        })
    }
}
