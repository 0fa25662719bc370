//! Streams that are not what their records say.

use super::*;

#[test]
fn streams_that_are_linked_as_they_should_be_are_sound() {
    let scene = Scene::new();
    let long = scene.put_stream("long", 600);
    scene.put_stream("short", 3);
    assert_eq!(scene.problems(), [""; 0]);
    // Truncated before version 300.
    for position in &long[..299] {
        scene.remove(*position, true);
    }
    scene.put(&mark(Kind::Truncated, "long", 600).back(600).first(300));
    assert_eq!(scene.problems(), [""; 0]);
    scene.merge(604, &[("long", 604), ("short", 603)]);
    assert_eq!(scene.problems(), [""; 0]);
    // The entry of the index now leads to what is gone.
    for position in 601..=603 {
        scene.remove(position, true);
    }
    scene.put(&mark(Kind::Tombstoned, "short", 3));
    assert_eq!(scene.problems(), [""; 0]);
}

#[test]
fn a_link_that_leads_elsewhere_is_found() {
    let scene = Scene::new();
    scene
        .put(&event("a", 1))
        .put(&event("b", 1))
        .put(&event("a", 2).back(2))
        .put(&event("b", 2).back(0))
        .put(&event("a", 3).back(1))
        .put(&event("c", 1).back(5));
    assert_eq!(
        scene.problems(),
        [
            "position 3 (stream \"a\"): its link to version 1 of its stream leads to position 2, but a record of the stream was expected, found one of stream \"b\"",
            "position 4 (stream \"b\"): it does not say where version 1 of its stream is",
            "position 5 (stream \"a\"): its link to version 2 of its stream leads to position 1, but version 2 of the stream was expected, found version 1",
            "position 6 (stream \"c\"): it is the first version of its stream, and has a link to one before",
        ]
    );
}

#[test]
fn a_skip_that_leads_elsewhere_is_found() {
    let scene = Scene::new();
    let positions = scene.put_stream("a", 31);
    let skips = vec![positions[14]];
    scene.put(&event("a", 32).back(positions[30]).skips(skips));
    assert_eq!(
        scene.problems(),
        [
            "position 32 (stream \"a\"): its link to version 16 of its stream leads to position 15, but version 16 of the stream was expected, found version 15"
        ]
    );
}

#[test]
fn a_version_that_is_there_twice_is_found_whichever_of_them_the_next_one_follows() {
    for followed in [2, 4] {
        let scene = Scene::new();
        scene
            .put(&event("a", 1))
            .put(&event("a", 2).back(1))
            .put(&event("b", 1))
            .put(&event("a", 2).back(1))
            .put(&event("c", 1))
            .put(&event("a", 3).back(followed));
        let problems = listed(&scene.verify(REMEMBERED));
        let twice = "position 4 (stream \"a\"): version 2 of its stream is at position 2 too";
        assert_eq!(problems[0], twice);
        // As in a store that has too many streams to remember all of them.
        let beside = 6 - followed;
        assert_eq!(
            listed(&scene.verify(0)),
            [format!(
                "position {beside} (stream \"a\"): version 2 of its stream is found at position {followed}, and not here"
            )]
        );
    }
}

#[test]
fn a_last_version_that_is_there_twice_is_found() {
    let scene = Scene::new();
    scene.put(&event("a", 1)).put(&event("a", 1));
    assert_eq!(
        scene.problems(),
        ["position 1 (stream \"a\"): version 1 of its stream is found at position 2, and not here"]
    );
}

#[test]
fn a_version_that_was_passed_over_is_found() {
    let scene = Scene::new();
    scene.put(&event("a", 1)).put(&event("a", 3).back(1));
    assert_eq!(
        scene.problems(),
        [
            "position 2 (stream \"a\"): its link to version 2 of its stream leads to position 1, but version 2 of the stream was expected, found version 1"
        ]
    );
}

#[test]
fn an_end_that_goes_back_is_found() {
    let scene = Scene::new();
    scene
        .put(&event("a", 1))
        .put(&event("a", 2).back(1))
        .put(&event("a", 3).back(2).first(3))
        .put(&event("a", 2).back(1));
    assert_eq!(
        scene.problems(),
        [
            "position 2 (stream \"a\"): version 2 of its stream is found at position 4, and not here",
            "position 3 (stream \"a\"): it is version 3, and its stream ends with version 2 at position 4",
        ]
    );
}

#[test]
fn events_that_should_have_been_removed_are_found() {
    let scene = Scene::new();
    scene.put_stream("truncated", 3);
    scene.put(&mark(Kind::Truncated, "truncated", 3).back(3).first(3));
    scene.put_stream("tombstoned", 1);
    scene.put(&mark(Kind::Tombstoned, "tombstoned", 1));
    assert_eq!(
        scene.problems(),
        [
            "position 1 (stream \"truncated\"): it is version 1, and its stream was truncated before version 3",
            "position 2 (stream \"truncated\"): it is version 2, and its stream was truncated before version 3",
            "position 5 (stream \"tombstoned\"): it is there, and its stream was tombstoned",
        ]
    );
}

#[test]
fn a_mark_that_does_not_lead_to_the_last_event_is_found() {
    let scene = Scene::new();
    scene.put_stream("a", 3);
    scene.remove(1, true);
    scene.put(&mark(Kind::Truncated, "a", 3).back(2).first(2));
    assert_eq!(
        scene.problems(),
        [
            "position 3 (stream \"a\"): version 3 of its stream is found at position 2, and not here",
            "position 4 (stream \"a\"): its link to version 3 of its stream leads to position 2, but version 3 of the stream was expected, found version 2",
        ]
    );
}

#[test]
fn a_stream_that_goes_on_after_its_tombstone_is_found() {
    let scene = Scene::new();
    scene
        .put(&mark(Kind::Tombstoned, "a", 1))
        .put(&event("a", 2).first(2));
    scene.put(&mark(Kind::Truncated, "b", 1).first(2));
    scene.put(&event("b", 2).first(1));
    assert_eq!(
        scene.problems(),
        [
            "position 1 (stream \"a\"): its stream was tombstoned here, and has later records",
            "position 3 (stream \"b\"): it says that its stream begins with version 2, and the last record of that says version 1",
            "position 4 (stream \"b\"): it does not say where version 1 of its stream is",
        ]
    );
}
