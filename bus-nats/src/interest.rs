//! Which queues want which topics: the server drops a message that no queue wants, and confirms it all the same.
//!
//! So before a message is sent there must be a witness: a consumer that wants its subject. After the confirmation the
//! same consumer must still be there, and still want the subject: then it was there in between, and the message is in
//! the stream. Cached knowledge only saves the first of these lookups, never the second.
//!
//! The server recognises messages that are published again by an id that contains the witness: when a queue is
//! deleted and created again, messages published for nobody in between are not taken for ones that it had.

use crate::session::Session;
use crate::subjects;
use async_nats::jetstream::consumer::{Config, Info};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use midgard::bus::BusError;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The prefix, before a subject, of a metadata entry of a consumer: since when it wants a subject that it did not
/// want when it was created.
pub(crate) const SINCE: &str = "midgard-since/";
/// As [`SINCE`]: it no longer wants the subject, and has its messages up to this place in the stream.
pub(crate) const UNTIL: &str = "midgard-until/";

/// How many subjects are cached.
const MOST: usize = 10_000;

/// A consumer that wants a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) consumer: Arc<str>,
    /// Distinguishes it from an earlier consumer of the same name, or from an earlier state of itself.
    pub(crate) since: Arc<str>,
}

impl Witness {
    fn of(info: &Info, subject: &str) -> Self {
        let since = info.config.metadata.get(&format!("{SINCE}{subject}"));
        let since = since.cloned();
        let since = since.unwrap_or_else(|| info.created.unix_timestamp_nanos().to_string());
        Witness {
            consumer: (*info.name).into(),
            since: since.into(),
        }
    }
}

/// The known witnesses.
#[derive(Default)]
pub(crate) struct Interest {
    known: Mutex<HashMap<String, Witness>>,
}

impl Interest {
    /// Returns a witness for each of these subjects that some queue wants.
    pub(crate) async fn witnesses(
        &self,
        session: &Session,
        stream: &str,
        subjects: &BTreeSet<String>,
    ) -> Result<HashMap<String, Witness>, BusError> {
        let mut found = HashMap::new();
        {
            let known = self.known();
            for subject in subjects {
                if let Some(witness) = known.get(subject) {
                    found.insert(subject.clone(), witness.clone());
                }
            }
        }
        if found.len() == subjects.len() {
            return Ok(found);
        }
        let consumers = consumers(session, stream).await?;
        for subject in subjects
            .iter()
            .filter(|subject| !found.contains_key(*subject))
            .cloned()
            .collect::<Vec<_>>()
        {
            let asking = consumers.iter().filter(|info| asks(&info.config, &subject));
            // The oldest, so that all publishers choose the same.
            if let Some(info) = asking.min_by_key(|info| (info.created, info.name.clone())) {
                let witness = Witness::of(info, &subject);
                found.insert(subject, witness);
            }
        }
        let mut known = self.known();
        if known.len() > MOST {
            known.clear();
        }
        known.extend(found.clone());
        drop(known);
        Ok(found)
    }

    /// Returns the subjects whose witness no longer exists, or no longer wants them.
    pub(crate) async fn gone(
        &self,
        session: &Session,
        stream: &str,
        witnesses: &HashMap<String, Witness>,
    ) -> Result<BTreeSet<String>, BusError> {
        let names: BTreeSet<&str> = witnesses
            .values()
            .map(|witness| &*witness.consumer)
            .collect();
        let infos = names.into_iter().map(|name| async move {
            let info = consumer(session, stream, name).await?;
            Ok::<_, BusError>((name, info))
        });
        let infos: HashMap<_, _> = try_join_all(infos).await?.into_iter().collect();
        let mut gone = BTreeSet::new();
        for (subject, witness) in witnesses {
            let info = infos.get(&*witness.consumer).and_then(Option::as_ref);
            let is_there = info.is_some_and(|info| {
                Witness::of(info, subject) == *witness && asks(&info.config, subject)
            });
            if !is_there {
                gone.insert(subject.clone());
            }
        }
        if !gone.is_empty() {
            self.known().retain(|subject, _| !gone.contains(subject));
        }
        Ok(gone)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Witness>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a consumer wants a subject. One without filters wants all.
fn asks(config: &Config, subject: &str) -> bool {
    if config.metadata.contains_key(&format!("{UNTIL}{subject}")) {
        return false;
    }
    if !config.filter_subject.is_empty() {
        return subjects::matches(&config.filter_subject, subject);
    }
    let filters = &config.filter_subjects;
    filters.is_empty()
        || filters
            .iter()
            .any(|filter| subjects::matches(filter, subject))
}

async fn consumers(session: &Session, stream: &str) -> Result<Vec<Info>, BusError> {
    let action = "list the queues";
    let list = async {
        let stream = session
            .jetstream
            .get_stream_no_info(stream)
            .await
            .map_err(Box::new)?;
        let consumers = stream.consumers().try_collect().await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(consumers)
    };
    session.answer(action, list).await
}

/// Returns the server's description of a consumer; `None` when there is none.
pub(crate) async fn consumer(
    session: &Session,
    stream: &str,
    name: &str,
) -> Result<Option<Info>, BusError> {
    let action = "read a queue's settings";
    let info = async {
        let stream = session
            .jetstream
            .get_stream_no_info(stream)
            .await
            .map_err(Box::new)?;
        match stream.consumer_info(name).await {
            Ok(info) => Ok(Some(info)),
            Err(error) => match error.kind() {
                ConsumerInfoErrorKind::NotFound => Ok(None),
                ConsumerInfoErrorKind::StreamNotFound => {
                    // It is created again with the next session.
                    session.give_up();
                    Ok(None)
                }
                _ => Err(Box::<dyn std::error::Error + Send + Sync>::from(error)),
            },
        }
    };
    session.answer(action, info).await
}
