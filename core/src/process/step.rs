//! One step of a process: it reacts, and the consequences are added to a unit of work.

use super::ProcessManager;
use super::cause::{Cause, RecordedCause};
use super::notes::{Deadline, Open, ProcessKeys};
use super::reactions::{Identity, Outgoing, Step};
use super::record::{Instance, Kind, ProcessReacted};
use crate::command::{CommandSent, raw};
use crate::consumer::HandlerError;
use crate::consumer::control::Control;
use crate::consumer::notes;
use crate::event::metadata::{EventId, Metadata};
use crate::event::record::NewEvent;
use crate::event::{Encoded, EncodedRef};
use crate::limits::{Limited, PROCESS_ID_BYTES, check_text};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use crate::unit_of_work::{NotedUnitOfWork, UnitOfWorkStore};
use event_listener::Event as Notify;
use std::sync::Arc;

/// How many events a unit of work takes before it is committed: few enough that conflicts are rare.
pub(super) const EVENTS: usize = 1000;

/// Executes the steps of the processes of one kind.
pub(crate) struct Steps<P: ProcessManager> {
    pub(super) work: UnitOfWorkStore,
    config: Arc<P::Config>,
    pub(super) control: Arc<Control>,
    pub(super) keys: ProcessKeys,
    /// Notified after a commit that sets a deadline.
    pub(super) deadline_set: Arc<Notify>,
}

/// An input of a process, before it is recorded.
pub(super) struct Input<'a> {
    pub(super) to: Kind,
    pub(super) encoded: EncodedRef<'a>,
    pub(super) command: Option<String>,
    pub(super) cause: Cause,
    /// The metadata of all that follows.
    pub(super) correlation_id: Option<EventId>,
    pub(super) causation_id: Option<EventId>,
}

impl<P: ProcessManager> Steps<P> {
    pub(crate) fn new(work: UnitOfWorkStore, config: P::Config, control: Arc<Control>) -> Self {
        Steps {
            work,
            config: Arc::new(config),
            control,
            keys: ProcessKeys::new(P::NAME),
            deadline_set: Arc::default(),
        }
    }

    /// Rebuilds a process from its stream.
    pub(super) async fn load(
        &self,
        stream: &StreamName,
        id: &str,
    ) -> Result<Instance<P>, HandlerError> {
        let of = Identity::read(id, &self.config)?;
        Instance::load(self.work.store(), stream, of).await
    }

    /// Lets a process react, and adds the consequences to the unit of work.
    pub(super) async fn take(
        &self,
        unit: &mut NotedUnitOfWork,
        id: &str,
        input: Input<'_>,
    ) -> Result<(), HandlerError> {
        check_text(Limited::ProcessId, PROCESS_ID_BYTES, id)?;
        let stream = StreamName::new(format!("{}-{id}", P::NAME))?;
        let mut instance: Instance<P> = match unit.take_cached(&stream) {
            Some(instance) => instance,
            None => self.load(&stream, id).await?,
        };
        let now = self.control.now();
        let mut reacted = ProcessReacted {
            command: input.command,
            ..ProcessReacted::to(input.to, &input.encoded)?
        };
        let Some(reactions) = instance.react(&reacted, input.cause, false)? else {
            // It was answered before, or the deadline is gone.
            unit.cache(stream, instance);
            return Ok(());
        };
        let metadata = Metadata::of(input.correlation_id, input.causation_id);
        let (mut sent, mut set) = (Vec::new(), Vec::new());
        let (steps, cause) = reactions.into_steps()?;
        for step in steps {
            match step {
                Step::Execute(command) => command.execute(unit, &metadata).await?,
                Step::Send(command) => sent.push(sent_by::<P>(command)?),
                Step::Remind { deadline, due } => {
                    let at = due.time(cause.time, now).as_micros();
                    let name = deadline.encoded.name.clone();
                    set.retain(|(_, other): &(u64, Outgoing)| other.encoded.name != name);
                    set.push((at, deadline));
                }
                Step::Cancel(name) => {
                    set.retain(|(_, other)| other.encoded.name != name);
                    if instance.waits_for(name, &reacted) {
                        reacted.cancelled.push(name.to_owned());
                    }
                }
                Step::Complete => {
                    set.clear();
                    let set = instance.deadlines.keys();
                    let set = set.filter(|name| instance.waits_for(name, &reacted));
                    reacted.cancelled = set.cloned().collect();
                    reacted.is_complete = true;
                }
            }
        }
        let names = set
            .iter()
            .map(|(at, deadline)| (deadline.encoded.name.to_string(), *at));
        reacted.deadlines = names.collect();
        reacted.cause = Some(RecordedCause::from(&cause));
        let event = NewEvent::encode_without_read_back(&reacted)?.with_metadata(metadata.clone());
        for name in reacted.no_longer(&instance.deadlines) {
            let key = self.keys.deadline(instance.deadlines[name], id, name);
            notes::remove(&self.work, unit, &key).await?;
        }
        self.put_deadlines(unit, id, &event, set).await?;

        let mut events = vec![event];
        let version = instance.version;
        instance.settle(&reacted);
        for command in sent {
            let event =
                NewEvent::encode_without_read_back(&command)?.with_metadata(metadata.clone());
            instance.sent(event.id, command);
            events.push(event);
        }
        instance.version.0 += events.len() as u64;
        unit.append(stream.clone(), version, events);
        self.put_open(unit, id, &mut instance, now).await?;
        unit.cache(stream, instance);
        Ok(())
    }

    /// Stores the deadlines that were set with an event.
    async fn put_deadlines(
        &self,
        unit: &mut NotedUnitOfWork,
        id: &str,
        event: &NewEvent,
        set: Vec<(u64, Outgoing)>,
    ) -> Result<(), HandlerError> {
        if !set.is_empty() {
            unit.tell_after_commit(&self.deadline_set);
        }
        for (at, Outgoing { encoded, .. }) in set {
            let correlation_id = event.metadata.correlation_id();
            let key = self.keys.deadline(at, id, &encoded.name);
            let parts = self.keys.parts_of_deadline(&key);
            let is_whole = parts.is_some_and(|(_, name, _)| name == encoded.name);
            let note = Deadline {
                name: (!is_whole).then(|| encoded.name.to_string()),
                schema_version: encoded.schema_version,
                payload: String::from_utf8(encoded.payload)?,
                correlation_id: correlation_id.map(|id| id.to_string()),
                causation_id: event.id.to_string(),
            };
            notes::put(&self.work, unit, &key, note).await?;
        }
        Ok(())
    }

    /// Lists the process as long as it is open.
    async fn put_open(
        &self,
        unit: &mut NotedUnitOfWork,
        id: &str,
        instance: &mut Instance<P>,
        now: Timestamp,
    ) -> Result<(), HandlerError> {
        let since = *instance.since.get_or_insert(now.as_micros());
        let key = self.keys.open(id);
        if instance.is_complete {
            notes::remove(&self.work, unit, &key).await?;
            return Ok(());
        }
        let waiting = instance.waiting.values();
        let open = Open {
            since,
            updated: now.as_micros(),
            waiting: waiting.map(|command| command.name.clone()).collect(),
        };
        notes::put(&self.work, unit, &key, open).await?;
        Ok(())
    }
}

/// Converts a command to its form in the log.
pub(crate) fn sent_by<P: ProcessManager>(command: Outgoing) -> Result<CommandSent, HandlerError> {
    let Encoded {
        name,
        schema_version,
        payload,
        ..
    } = command.encoded;
    Ok(CommandSent {
        name: name.into_owned(),
        schema_version,
        service: command.service.to_owned(),
        key: command.key,
        reply_to: P::NAME.to_owned(),
        payload: raw(&payload)?,
    })
}
