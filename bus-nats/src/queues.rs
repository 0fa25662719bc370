//! Queues are durable consumers of the stream.

use crate::interest;
use crate::options::NatsOptions;
use crate::session::Session;
use crate::{streams, subjects, topics};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{
    AckPolicy, Config, DeliverPolicy, Info, PriorityPolicy, pull,
};
use async_nats::jetstream::stream::{ConsumerCreateStrictErrorKind, ConsumerUpdateErrorKind};
use midgard::bus::{BusError, Queue};
use std::collections::BTreeSet;
use std::time::Duration;

/// The group in which one receiver is pinned.
pub(crate) const GROUP: &str = "receiver";
/// The longest name that the server accepts for a consumer and its directory.
const LONGEST_NAME: usize = 200;
/// How many concurrent declarations of the same queue are tolerated.
const ROUNDS: usize = 10;

/// Creates the queue unless it exists, and subscribes it to its topics.
pub(crate) async fn declare(
    session: &Session,
    options: &NatsOptions,
    queue: &Queue,
) -> Result<(), BusError> {
    let name = queue.name();
    let is_name = |name: &str| {
        (1..=LONGEST_NAME).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if !is_name(name) {
        return Err(session.unusable(format!(
            "{name:?} cannot be the name of a queue; a name has up to {LONGEST_NAME} letters, digits, `-` and `_`"
        )));
    }
    for _ in 0..ROUNDS {
        let done = match interest::consumer(session, &options.stream, name).await? {
            None => create(session, options, queue).await?,
            Some(info) => update(session, options, queue, &info).await?,
        };
        if done {
            return Ok(());
        }
    }
    Err(session.unavailable(
        "declare a queue",
        format!("others create and delete the queue {name} all the time"),
    ))
}

/// Returns the filters of the queue. A consumer without filters would get all messages, so a queue without topics
/// gets a filter that matches nothing.
fn filters(options: &NatsOptions, queue: &Queue) -> Vec<String> {
    let topics = queue.topics().iter();
    let filters: BTreeSet<String> = topics
        .map(|topic| subjects::subject(&options.prefix, topic))
        .collect();
    if filters.is_empty() {
        return vec![format!("{}.%.{}", options.prefix, queue.name())];
    }
    filters.into_iter().collect()
}

/// Creates the consumer; returns `false` when another program has.
async fn create(session: &Session, options: &NatsOptions, queue: &Queue) -> Result<bool, BusError> {
    let name = queue.name();
    let mut config = pull::Config {
        durable_name: Some(name.to_owned()),
        name: Some(name.to_owned()),
        deliver_policy: DeliverPolicy::New,
        ack_policy: AckPolicy::Explicit,
        max_deliver: -1,
        priority_policy: PriorityPolicy::PinnedClient,
        priority_groups: vec![GROUP.to_owned()],
        ..pull::Config::default()
    };
    set(&mut config, options, queue);
    let action = "create a queue";
    let create = session
        .jetstream
        .create_consumer_strict_on_stream(config, &options.stream);
    match session
        .answer(action, async { Ok::<_, BusError>(create.await) })
        .await?
    {
        Ok(_) => {
            tracing::info!(queue = name, "created the queue");
            Ok(true)
        }
        Err(error) => match error.kind() {
            ConsumerCreateStrictErrorKind::AlreadyExists => Ok(false),
            ConsumerCreateStrictErrorKind::JetStream(error)
                if [
                    ErrorCode::CONSUMER_NAME_EXIST,
                    ErrorCode::CONSUMER_ALREADY_EXISTS,
                ]
                .contains(&error.error_code()) =>
            {
                Ok(false)
            }
            ConsumerCreateStrictErrorKind::JetStream(error) if error.code() == 400 => {
                Err(session.unusable(format!("the queue {name} cannot be created: {error}")))
            }
            _ => Err(session.unavailable(action, error)),
        },
    }
}

/// Changes what differs; returns `false` when the consumer is gone.
async fn update(
    session: &Session,
    options: &NatsOptions,
    queue: &Queue,
    info: &Info,
) -> Result<bool, BusError> {
    let name = queue.name();
    check(&info.config).map_err(|what| {
        session.unusable(format!(
            "the consumer {name} of the stream {} {what}; it was not made by this bus: remove it with `nats consumer rm {} {name}`, or give the queue another name",
            options.stream, options.stream
        ))
    })?;
    let mut found = to_pull(&info.config);
    // The order in which the server lists them does not matter.
    found.filter_subjects.sort_unstable();
    let mut wanted = found.clone();
    set(&mut wanted, options, queue);
    let removed_before = topics::removed(&found.metadata);
    let removed = found.filter_subjects.iter().filter(|subject| {
        !wanted.filter_subjects.contains(subject) && !removed_before.contains_key(*subject)
    });
    queue.warn_of_removed(removed.map(String::as_str));
    topics::change(&mut wanted, &found, info);
    if wanted != found && !change(session, options, name, &wanted).await? {
        return Ok(false);
    }
    // Nobody counts on these from now on: messages that were confirmed to their publishers are in the stream.
    if !topics::has_open_end(&wanted) {
        return Ok(true);
    }
    let last = streams::last_sequence(session, &options.stream).await?;
    topics::end(&mut wanted, last);
    change(session, options, name, &wanted).await
}

/// Changes a consumer; returns `false` when it is gone.
async fn change(
    session: &Session,
    options: &NatsOptions,
    name: &str,
    wanted: &pull::Config,
) -> Result<bool, BusError> {
    let action = "change a queue";
    let update = session
        .jetstream
        .update_consumer_on_stream(wanted.clone(), &options.stream);
    match session
        .answer(action, async { Ok::<_, BusError>(update.await) })
        .await?
    {
        Ok(_) => {
            tracing::info!(queue = name, "changed the queue");
            Ok(true)
        }
        Err(error) => match error.kind() {
            ConsumerUpdateErrorKind::DoesNotExist => Ok(false),
            ConsumerUpdateErrorKind::JetStream(error) if error.code() == 400 => {
                Err(session.unusable(format!("the queue {name} cannot be changed: {error}")))
            }
            _ => Err(session.unavailable(action, error)),
        },
    }
}

/// Sets the changeable settings of a consumer as the queue requires.
fn set(config: &mut pull::Config, options: &NatsOptions, queue: &Queue) {
    config.filter_subject = String::new();
    config.filter_subjects = filters(options, queue);
    config.max_ack_pending = i64::from(queue.in_flight());
    config.ack_wait = options.takeover_after;
    config.priority_timeout = options.takeover_after;
    config.inactive_threshold = if queue.is_temporary() {
        options.takeover_after
    } else {
        Duration::ZERO
    };
}

/// Returns an error if a consumer cannot be a queue.
fn check(config: &Config) -> Result<(), String> {
    if config.deliver_subject.is_some() {
        return Err("pushes its messages".to_owned());
    }
    if config.ack_policy != AckPolicy::Explicit {
        return Err(format!(
            "has the acknowledgement policy {:?} and not `explicit`",
            config.ack_policy
        ));
    }
    if config.max_deliver > 0 {
        return Err(format!(
            "gives up a message after {} deliveries",
            config.max_deliver
        ));
    }
    if config.priority_policy != PriorityPolicy::PinnedClient
        || !config.priority_groups.iter().any(|group| group == GROUP)
    {
        return Err(format!("does not pin one client of the group `{GROUP}`"));
    }
    Ok(())
}

/// Returns the configuration of a checked consumer.
fn to_pull(config: &Config) -> pull::Config {
    use async_nats::jetstream::consumer::FromConsumer as _;
    pull::Config::try_from_consumer_config(config.clone()).unwrap_or_default()
}
