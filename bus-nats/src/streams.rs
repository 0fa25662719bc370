//! The streams of messages.

use crate::options::NatsOptions;
use crate::session::{Session, Sizes};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use midgard::bus::BusError;

/// Returns the name of the stream for messages that were set aside.
pub(crate) fn dead_letters(stream: &str) -> String {
    format!("{stream}_DEAD")
}

/// Creates missing streams, and checks existing ones.
pub(crate) async fn make(session: &Session, options: &NatsOptions) -> Result<Sizes, BusError> {
    let mut sizes = Sizes::default();
    let messages = Config {
        name: options.stream.clone(),
        description: Some("Messages between services. Each is kept until every queue that asks for it has handled it.".to_owned()),
        subjects: vec![format!("{}.>", options.prefix)],
        retention: RetentionPolicy::Interest,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        duplicate_window: options.duplicate_window,
        num_replicas: options.replicas,
        ..Config::default()
    };
    let dead = Config {
        name: dead_letters(&options.stream),
        description: Some("Messages that receivers set aside, for someone to look at.".to_owned()),
        subjects: vec![format!("{}_dead.>", options.prefix)],
        retention: RetentionPolicy::Limits,
        ..messages.clone()
    };
    for (config, size) in [(messages, &mut sizes.messages), (dead, &mut sizes.dead)] {
        let found = found(session, &config).await?;
        check(&found, &config).map_err(|what| {
            session.unusable(format!(
                "the stream {} {what}; change it with `nats stream edit`, remove it when it is empty, or give the bus another stream and prefix",
                config.name
            ))
        })?;
        // "No limit" is written as 0 or -1.
        if let Ok(most @ 1..) = usize::try_from(found.max_message_size) {
            *size = most;
        }
    }
    Ok(sizes)
}

/// Returns the stream as it is, creating it if it is missing.
async fn found(session: &Session, config: &Config) -> Result<Config, BusError> {
    let action = "read its streams";
    let get = session.jetstream.get_stream(&config.name);
    let error = match session
        .answer(action, async { Ok::<_, BusError>(get.await) })
        .await?
    {
        Ok(stream) => return Ok(stream.cached_info().config.clone()),
        Err(error) => error,
    };
    match error.kind() {
        GetStreamErrorKind::JetStream(error)
            if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
        GetStreamErrorKind::JetStream(error)
            if [
                ErrorCode::JETSTREAM_NOT_ENABLED,
                ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
            ]
            .contains(&error.error_code()) =>
        {
            return Err(session.unusable(format!(
                "JetStream is not enabled ({error}); start the server with `-js`, or a `jetstream` section in its configuration"
            )));
        }
        GetStreamErrorKind::InvalidStreamName | GetStreamErrorKind::EmptyName => {
            return Err(session.unusable(format!(
                "{:?} cannot be the name of a stream; leave out spaces, dots, `*`, `>` and slashes",
                config.name
            )));
        }
        _ => return Err(session.unavailable(action, error)),
    }
    tracing::info!(stream = config.name, "created the stream");
    let action = "create its streams";
    let create = session.jetstream.create_stream(config.clone());
    match session
        .answer(action, async { Ok::<_, BusError>(create.await) })
        .await?
    {
        Ok(stream) => Ok(stream.cached_info().config.clone()),
        Err(error) => Err(match error.kind() {
            CreateStreamErrorKind::JetStream(error) if error.code() == 400 => session.unusable(
                format!("the stream {} cannot be created: {error}", config.name),
            ),
            _ => session.unavailable(action, error),
        }),
    }
}

/// Returns an error if a stream may lose messages.
fn check(found: &Config, wanted: &Config) -> Result<(), String> {
    if found.retention != wanted.retention {
        return Err(format!(
            "has the retention {:?} and not {:?}",
            found.retention, wanted.retention
        ));
    }
    let subject = &wanted.subjects[0];
    if !found.subjects.contains(subject) {
        return Err(format!(
            "has the subjects {:?} and not {subject}",
            found.subjects
        ));
    }
    let drops = !found.max_age.is_zero()
        || found.max_messages_per_subject > 0
        || found.discard == DiscardPolicy::Old && (found.max_messages > 0 || found.max_bytes > 0);
    if drops {
        return Err("drops messages that nobody has handled (its maximum age, its maximum per subject, or the discarding of old messages)".to_owned());
    }
    if found.storage != wanted.storage {
        return Err("keeps messages in memory only".to_owned());
    }
    Ok(())
}

/// Returns the place of the last message.
pub(crate) async fn last_sequence(session: &Session, stream: &str) -> Result<u64, BusError> {
    let info = session.jetstream.get_stream(stream);
    let stream = session.answer("read its streams", info).await?;
    Ok(stream.cached_info().state.last_sequence)
}
