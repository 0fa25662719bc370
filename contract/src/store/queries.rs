//! Reading by query, as in dynamic consistency boundaries: items OR, names in an item OR, tags in an item AND.
//! `boundaries.rs` lists which case is which of dcb-eventstore's and UmaDB's.

use super::kit::*;

fn item() -> QueryItem {
    QueryItem::new()
}

/// Appends events of three names with tags of two kinds; positions 1 to 8.
async fn examples(store: &impl Store) {
    let all = [
        tagged("course.defined", &["course:c1"]),
        tagged("student.registered", &["student:s1"]),
        tagged("student.subscribed", &["student:s1", "course:c1"]),
        tagged("course.defined", &["course:c2"]),
        tagged("student.subscribed", &["course:c2", "student:s1"]),
        tagged("student.registered", &["student:s2"]),
        named("course.defined"),
        tagged(
            "student.subscribed",
            &["student:s2", "course:c1", "grade:first"],
        ),
    ];
    for (index, event) in all.into_iter().enumerate() {
        put(store, to(&format!("stream-{}", index % 3), Any, [event])).await;
    }
}

async fn finds<F: Fixture>(fixture: &F, query: impl Into<Query>, wanted: &[u64]) {
    let store = fixture.open();
    examples(&store).await;
    let query = query.into();
    let found: Vec<_> = positions(&matching(&store, query.clone()).await);
    let wanted: Vec<_> = wanted.iter().copied().map(Position).collect();
    assert_eq!(found, wanted, "{query:?} finds these events");
}

pub(super) async fn query_for_all_events<F: Fixture>(fixture: &F) {
    finds(fixture, Query::all(), &[1, 2, 3, 4, 5, 6, 7, 8]).await;
}

pub(super) async fn query_with_an_empty_item_matches_all<F: Fixture>(fixture: &F) {
    finds(fixture, item(), &[1, 2, 3, 4, 5, 6, 7, 8]).await;
}

pub(super) async fn query_with_an_empty_item_beside_another_matches_all<F: Fixture>(fixture: &F) {
    let query = Query::all().or(item().name("course.defined")).or(item());
    finds(fixture, query, &[1, 2, 3, 4, 5, 6, 7, 8]).await;
}

pub(super) async fn query_by_name<F: Fixture>(fixture: &F) {
    finds(fixture, item().name("course.defined"), &[1, 4, 7]).await;
}

pub(super) async fn query_by_one_of_several_names<F: Fixture>(fixture: &F) {
    let query = item().name("course.defined").name("student.registered");
    finds(fixture, query, &[1, 2, 4, 6, 7]).await;
}

pub(super) async fn query_by_tag<F: Fixture>(fixture: &F) {
    finds(fixture, item().tag("student:s1"), &[2, 3, 5]).await;
}

pub(super) async fn query_by_all_of_several_tags<F: Fixture>(fixture: &F) {
    finds(fixture, item().tag("student:s1").tag("course:c1"), &[3]).await;
}

pub(super) async fn query_by_tags_in_any_order<F: Fixture>(fixture: &F) {
    finds(fixture, item().tag("student:s1").tag("course:c2"), &[5]).await;
}

pub(super) async fn query_by_any_of_several_tags<F: Fixture>(fixture: &F) {
    let query = Query::all()
        .or(item().tag("student:s2"))
        .or(item().tag("course:c2"));
    finds(fixture, query, &[4, 5, 6, 8]).await;
}

pub(super) async fn query_by_name_and_tag<F: Fixture>(fixture: &F) {
    finds(
        fixture,
        item().name("student.subscribed").tag("course:c1"),
        &[3, 8],
    )
    .await;
}

pub(super) async fn query_by_names_and_tags<F: Fixture>(fixture: &F) {
    let query = item()
        .name("student.subscribed")
        .name("course.defined")
        .tag("student:s2")
        .tag("course:c1");
    finds(fixture, query, &[8]).await;
}

pub(super) async fn query_of_several_items_of_two_tags_each<F: Fixture>(fixture: &F) {
    let query = Query::all()
        .or(item().tag("student:s1").tag("course:c1"))
        .or(item().tag("student:s2").tag("course:c1"));
    finds(fixture, query, &[3, 8]).await;
}

/// Asserts what a query finds backward, from each position on, and up to each limit.
async fn finds_backward<F: Fixture>(fixture: &F, query: impl Into<Query>, wanted: &[u64]) {
    let store = fixture.open();
    examples(&store).await;
    let read = ReadLog::backward().matching(query);
    for from in (0..=9).chain([u64::MAX]) {
        for limit in [0, 1, 2, u64::MAX] {
            let what = read.clone().from(Position(from)).limit(limit);
            let earlier = wanted.iter().filter(|position| **position <= from);
            let wanted = earlier.map(|position| Position(*position));
            let wanted: Vec<_> = wanted.take(limit.min(9) as usize).collect();
            let found = scan(&store, &what).await.0;
            assert_eq!(positions(&found), wanted, "{what:?} finds these events");
        }
    }
}

pub(super) async fn query_backward_by_tag<F: Fixture>(fixture: &F) {
    finds_backward(fixture, item().tag("student:s1"), &[5, 3, 2]).await;
}

pub(super) async fn query_backward_by_all_of_several_tags<F: Fixture>(fixture: &F) {
    let query = item().tag("course:c1").tag("student:s2");
    finds_backward(fixture, query, &[8]).await;
}

pub(super) async fn query_backward_of_several_items_of_two_tags_each<F: Fixture>(fixture: &F) {
    let query = Query::all()
        .or(item().tag("student:s1").tag("course:c1"))
        .or(item().tag("student:s1").tag("course:c2"))
        .or(item().tag("student:s2").tag("course:c1"));
    finds_backward(fixture, query, &[8, 5, 3]).await;
}

pub(super) async fn event_that_matches_several_items_is_given_once<F: Fixture>(fixture: &F) {
    let query = Query::all()
        .or(item().name("student.subscribed"))
        .or(item().tag("student:s1"))
        .or(item().tag("course:c1"))
        .or(item().tag("student:s1").tag("course:c1"));
    finds(fixture, query, &[1, 2, 3, 5, 8]).await;
}

pub(super) async fn query_with_the_same_item_twice<F: Fixture>(fixture: &F) {
    let query = Query::all()
        .or(item().tag("course:c2"))
        .or(item().tag("course:c2"));
    finds(fixture, query, &[4, 5]).await;
}

pub(super) async fn query_that_nothing_matches<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    examples(&store).await;
    for nothing in [
        item().name("course"),
        item().name("course.defined "),
        item().name("COURSE.DEFINED"),
        item().tag("course"),
        item().tag("course:"),
        item().tag("course:c"),
        item().tag("course:c1 "),
        item().tag("course:c1").tag("course:c2"),
        item().name("student.registered").tag("course:c1"),
        item().name(""),
        item().tag(""),
    ] {
        let found = matching(&store, nothing.clone()).await;
        assert!(
            found.is_empty(),
            "{nothing:?} matches nothing, but found {found:?}"
        );
    }
}

pub(super) async fn query_from_a_position_with_a_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    examples(&store).await;
    for (query, all) in [
        (Query::all(), vec![1, 2, 3, 4, 5, 6, 7, 8]),
        (item().name("course.defined").into(), vec![1, 4, 7]),
        (item().tag("student:s1").into(), vec![2, 3, 5]),
        (
            item().name("student.subscribed").tag("course:c1").into(),
            vec![3, 8],
        ),
        (
            Query::all()
                .or(item().tag("student:s2"))
                .or(item().tag("course:c2")),
            vec![4, 5, 6, 8],
        ),
    ] {
        for from in 0..=9 {
            for limit in 0..=5 {
                let what = ReadLog::forward().matching(query.clone());
                let (found, _) = scan(&store, &what.after(Position(from)).limit(limit)).await;
                let later = all.iter().filter(|position| **position > from);
                let wanted: Vec<_> = later.take(limit as usize).map(|at| Position(*at)).collect();
                assert_eq!(
                    positions(&found),
                    wanted,
                    "{limit} after {from} of {query:?}"
                );

                let what = ReadLog::backward().matching(query.clone());
                let (found, _) = scan(&store, &what.from(Position(from)).limit(limit)).await;
                let earlier = all.iter().rev().filter(|position| **position <= from);
                let wanted: Vec<_> = earlier
                    .take(limit as usize)
                    .map(|at| Position(*at))
                    .collect();
                assert_eq!(
                    positions(&found),
                    wanted,
                    "{limit} back from {from} of {query:?}"
                );
            }
        }
    }
}

pub(super) async fn query_sees_each_event_as_soon_as_it_is_appended<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for count in 1..=50 {
        put(
            &store,
            to(
                STREAM,
                Any,
                [tagged("some.event", &["key:value"]), named("other")],
            ),
        )
        .await;
        for query in [
            item().tag("key:value"),
            item().name("some.event").tag("key:value"),
        ] {
            assert_eq!(
                matching(&store, query).await.len(),
                count,
                "an index is never behind"
            );
        }
    }
}

pub(super) async fn stream_of_events_by_query_sees_what_is_appended_as_it_goes<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    let mixed = |count: usize| -> Vec<_> {
        let events = (0..count).map(|index| match index % 2 {
            0 => tagged("some.event", &["key:value"]),
            _ => named("other"),
        });
        events.collect()
    };
    put(&store, to(STREAM, Any, mixed(2000))).await;
    for query in [item().tag("key:value"), item().name("some.event")] {
        let before = matching(&store, query.clone()).await.len();
        let mut stream = store.events(ReadLog::forward().matching(query));
        let seen = take(&mut stream, 1).await;
        put(&store, to("account-2", Any, mixed(10))).await;
        let later = rest(stream).await;
        assert_eq!(
            seen.len() + later.len(),
            before + 5,
            "what is appended before the end is reached is seen"
        );
    }
}

pub(super) async fn rare_tag_among_many_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all: Vec<_> = (0..3000)
        .map(|_| tagged("common", &["kind:common"]))
        .collect();
    for at in [0, 1499, 2999] {
        all[at] = tagged("rare", &["kind:common", "kind:rare"]);
    }
    put(&store, to(STREAM, Any, all)).await;
    let found = matching(&store, item().tag("kind:rare")).await;
    assert_eq!(
        positions(&found),
        [Position(1), Position(1500), Position(3000)],
        "all rare ones"
    );
    let what = ReadLog::forward()
        .matching(item().tag("kind:rare").tag("kind:common"))
        .limit(2);
    assert_eq!(
        scan(&store, &what).await.0.len(),
        2,
        "a limit counts the events that match"
    );
}

pub(super) async fn query_with_many_items<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all: Vec<_> = (0..200)
        .map(|key| tagged("some.event", &[&format!("key:{key}")]))
        .collect();
    put(&store, to(STREAM, Any, all)).await;
    let query = (0..200).step_by(2).fold(Query::all(), |query, key| {
        query.or(item().tag(format!("key:{key}")))
    });
    assert_eq!(
        matching(&store, query).await.len(),
        100,
        "each item finds its event"
    );
}
