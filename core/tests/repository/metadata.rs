//! The metadata that a repository records with events.
//!
//! Not in our model: tenants, as a store of their own or a part of the id tells them apart.

use crate::common::{
    AccountEvent, Deposit, Deposited, Open, Opened, accounts, ann, anns_account, anns_stream, log,
};
use midgard::event::{Codec, RecordedEvent, RecordedEventRef, Registry};
use midgard::store::ExpectedVersion;
use midgard::{Event, EventId, LogId, Metadata, Repository, Timestamp, Version, block_on, events};

const OPEN: Open = Open {
    owner: "ann",
    cents: 5,
};

/// What a command with this metadata recorded: two events.
fn recorded(metadata: &Metadata) -> Vec<RecordedEvent> {
    let accounts = accounts();
    block_on(accounts.execute_with(&ann(), &OPEN, metadata)).unwrap();
    log(accounts.store())
}

#[test]
fn everything_about_an_event_is_recorded() {
    let before = Timestamp::now();
    let events = recorded(&Metadata::new());
    let after = Timestamp::now();
    let RecordedEvent {
        log,
        position,
        stream,
        version,
        time,
        name,
        schema_version,
        codec,
        payload,
        tags,
        ..
    } = &events[1];
    assert_eq!((*log, position.get(), version.get()), (LogId::MAIN, 2, 2));
    assert_eq!(
        (stream, name.as_str(), *schema_version),
        (&anns_stream(), Deposited::NAME, 2)
    );
    assert_eq!(
        (*codec, payload.as_slice()),
        (Codec::JSON, br#"{"cents":5}"#.as_slice())
    );
    assert!(before <= *time && *time <= after);
    assert!(tags.view().is_empty());
    assert_ne!(events[0].id, events[1].id);
}

#[test]
fn versions_count_in_each_stream_and_positions_over_all() {
    block_on(async {
        let accounts = accounts();
        for id in ["1", "2", "1", "3", "2"] {
            let id = id.to_owned();
            let cent = [Deposited { cents: 1 }];
            accounts
                .save(&id, ExpectedVersion::Any, cent)
                .await
                .unwrap();
        }
        let places: Vec<_> = log(accounts.store())
            .iter()
            .map(|event| {
                (
                    event.stream.to_string(),
                    event.version.get(),
                    event.position.get(),
                )
            })
            .collect();
        let place = |stream: &str, version, position| (stream.to_owned(), version, position);
        assert_eq!(
            places,
            [
                place("account-1", 1, 1),
                place("account-2", 1, 2),
                place("account-1", 2, 3),
                place("account-3", 1, 4),
                place("account-2", 2, 5),
            ]
        );
    });
}

#[test]
fn times_never_go_back() {
    let events = log(block_on(anns_account()).store());
    assert!(events.is_sorted_by_key(|event| event.time));
}

#[test]
fn names_are_those_of_the_registry() {
    let registry = Registry::linked().unwrap();
    for event in log(block_on(anns_account()).store()) {
        let known = registry.get(&event.name).expect("a registered name");
        assert_eq!(
            (known.name, known.version),
            (event.name.as_str(), event.schema_version)
        );
        assert_eq!(
            registry.decode(&event.view()).unwrap().descriptor().name,
            known.name
        );
    }
}

#[test]
fn headers_come_back_as_they_were_given() {
    let metadata = Metadata::new()
        .with_header("user", "jun")
        .with_header("ünï", "")
        .with_header("user", "ann");
    for event in recorded(&metadata) {
        let headers: Vec<_> = event.metadata.headers().iter().collect();
        assert_eq!(headers, [("ünï", ""), ("user", "ann")]);
        assert_eq!(event.view().headers.get("user"), Some("ann"));
    }
}

#[test]
fn a_header_that_is_refused_appends_nothing() {
    let accounts = accounts();
    let metadata = Metadata::new().with_header("", "no key");
    assert!(block_on(accounts.execute_with(&ann(), &OPEN, &metadata)).is_err());
    assert!(log(accounts.store()).is_empty());
}

#[test]
fn an_event_without_headers_has_none() {
    for event in recorded(&Metadata::new()) {
        assert!(event.metadata.headers().is_empty());
        assert_eq!(event.metadata.headers().get("user"), None);
    }
}

#[test]
fn a_view_of_an_event_says_the_same_as_the_event() {
    let metadata = Metadata::new()
        .with_causation_id(EventId::new())
        .with_header("user", "jun");
    for event in recorded(&metadata) {
        let view: RecordedEventRef<'_> = event.view();
        assert_eq!(view.to_owned(), event);
        let (from_view, from_event) = (view.decode(), event.decode());
        let (a, b): (AccountEvent, AccountEvent) = (from_view.unwrap(), from_event.unwrap());
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }
}

#[test]
fn events_of_a_command_share_the_first_ones_id_as_their_correlation() {
    let events = recorded(&Metadata::new());
    assert_eq!(events.len(), 2);
    for event in &events {
        assert_eq!(event.metadata.correlation_id(), Some(events[0].id));
        assert_eq!(event.metadata.causation_id(), None);
    }
}

#[test]
fn separate_commands_have_separate_correlations() {
    let events = log(block_on(anns_account()).store());
    let correlation = |index: usize| events[index].metadata.correlation_id();
    assert_eq!(correlation(0), correlation(1));
    assert_eq!(
        (correlation(2), correlation(3)),
        (Some(events[2].id), Some(events[3].id))
    );
}

#[test]
fn what_follows_from_an_event_carries_its_correlation_on() {
    block_on(async {
        let accounts = accounts();
        accounts.execute(&ann(), &OPEN).await.unwrap();
        for cause in [1, 2] {
            let metadata = Metadata::following(&log(accounts.store())[cause]);
            accounts
                .execute_with(&ann(), &Deposit(1), &metadata)
                .await
                .unwrap();
        }
        let events = log(accounts.store());
        for (event, cause) in [(2, 1), (3, 2)] {
            let metadata = &events[event].metadata;
            assert_eq!(metadata.causation_id(), Some(events[cause].id));
            assert_eq!(metadata.correlation_id(), Some(events[0].id));
        }
    });
}

#[test]
fn headers_do_not_follow() {
    let cause = &recorded(&Metadata::new().with_header("user", "jun"))[0];
    assert!(Metadata::following(cause).headers().is_empty());
}

#[test]
fn an_explicit_value_wins_over_what_follows() {
    let cause = &recorded(&Metadata::new())[0];
    let (correlation, causation) = (EventId::new(), EventId::new());
    let following = || Metadata::following(cause);
    let event = &recorded(&following().with_correlation_id(correlation))[1];
    assert_eq!(event.metadata.correlation_id(), Some(correlation));
    assert_eq!(event.metadata.causation_id(), Some(cause.id));
    let event = &recorded(&following().with_causation_id(causation))[1];
    assert_eq!(
        event.metadata.correlation_id(),
        following().correlation_id()
    );
    assert_eq!(event.metadata.causation_id(), Some(causation));
}

#[test]
fn saves_and_commits_record_metadata_too() {
    block_on(async {
        let accounts: Repository<_, _> = accounts();
        let metadata = Metadata::new()
            .with_correlation_id(EventId::new())
            .with_header("user", "jun");
        let opened = events![
            Opened {
                owner: "ann".into()
            },
            Deposited { cents: 1 }
        ];
        accounts
            .save_with(&ann(), ExpectedVersion::NoStream, opened, &metadata)
            .await
            .unwrap();
        let mut account = accounts.load(&ann()).await.unwrap();
        account.decide(&Deposit(1)).unwrap();
        account.decide(&Deposit(2)).unwrap();
        let account = accounts.commit_with(account, &metadata).await.unwrap();
        assert_eq!(account.version(), Version(4));
        let events = log(accounts.store());
        assert!(events.iter().all(|event| event.metadata == metadata));

        let mut account = account;
        account.decide(&Deposit(1)).unwrap();
        account.decide(&Deposit(2)).unwrap();
        accounts.commit(account).await.unwrap();
        let events = log(accounts.store());
        let correlation = |index: usize| events[index].metadata.correlation_id();
        assert_eq!(
            (correlation(4), correlation(5)),
            (Some(events[4].id), Some(events[4].id))
        );
    });
}
