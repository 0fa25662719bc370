//! Rows and views that PostgreSQL cannot keep, and rules that rows break.

use crate::kit::{Registered, register, with_database};
use midgard::consumer::{ConsumerOptions, FailurePolicy};
use midgard::view::Select;
use midgard::{Context, HandlerResult, MemoryStore, Midgard, Project, Projection, View};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = name, index(badge, unique))]
struct Member {
    name: String,
    badge: Option<String>,
    note: String,
}

/// The city of a customer says what the handler does.
#[derive(Projection)]
#[projection(name = "members", events(Registered), views(Member))]
struct Members;

impl Project<Registered> for Members {
    async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> HandlerResult {
        let member = |name: &str, badge: Option<&str>, note: &str| Member {
            name: name.to_owned(),
            badge: badge.map(str::to_owned),
            note: note.to_owned(),
        };
        match event.city.as_str() {
            "swap" => {
                let (one, other) = ("ann", "bob");
                let badge = |row: Option<&Member>| row.and_then(|row| row.badge.clone());
                let of_one = badge(context.get::<Member>(one)?);
                let of_other = badge(context.get::<Member>(other)?);
                context.put(member(one, of_other.as_deref(), ""))?;
                context.put(member(other, of_one.as_deref(), ""))?;
            }
            "nul in a key" => context.put(member("a\0b", None, ""))?,
            "nul in a text" => context.put(member(&event.name, None, "a\0b"))?,
            badge => context.put(member(&event.name, Some(badge), ""))?,
        }
        Ok(())
    }
}

#[test]
fn events_whose_rows_are_refused_follow_the_policy() {
    with_database("events_whose_rows_are_refused", async |database| {
        let store = MemoryStore::new();
        for (name, city) in [
            ("ann", "1"),
            ("bob", "2"),
            ("cyd", "nul in a key"),
            ("dan", "nul in a text"),
            ("eve", "1"),
            ("x", "swap"),
            ("fay", "3"),
        ] {
            register(&store, name, city).await;
        }
        let views = database.views().await;
        let options = ConsumerOptions::new().on_failure(FailurePolicy::retry(0).then_park());
        let run = Midgard::new(store).project_with(Members, views.clone(), options);
        let handle = run.handle();
        run.catch_up().await.unwrap();
        let rows = views.select(Select::<Member>::all()).await.unwrap();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row.name.as_str(), row.badge.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [("ann", Some("2")), ("bob", Some("1")), ("fay", Some("3"))]
        );
        let parked = handle.dead_letters("members").await.unwrap();
        let errors: Vec<_> = parked.iter().map(|letter| letter.error.as_str()).collect();
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(
            errors[0].contains("field \"name\" has the character NUL"),
            "{errors:?}"
        );
        assert!(
            errors[1].contains("a text in it has the character NUL"),
            "{errors:?}"
        );
        assert!(
            errors[2].contains("both have \"1\" in the unique index \"badge\""),
            "{errors:?}"
        );
        let unique = database.sql(
            "SELECT count(*) FROM pg_indexes WHERE schemaname = 'midgard_views' AND indexdef LIKE '%UNIQUE%(badge NULLS FIRST)'",
        );
        assert_eq!(unique, "1");
    });
}

#[derive(Serialize, Deserialize, View)]
#[view(
    name = "a_name_that_is_longer_than_the_names_of_tables_may_be_in_postgres",
    key = name
)]
struct Long {
    name: String,
}

#[derive(Projection)]
#[projection(name = "long", events(Registered), views(Long))]
struct Longs;

impl Project<Registered> for Longs {
    async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> HandlerResult {
        Ok(context.put(Long { name: event.name })?)
    }
}

#[derive(Serialize, Deserialize, View)]
#[view(name = "order.by-user", key = r#type, index(data))]
struct Odd {
    r#type: String,
    data: u8,
}

#[derive(Projection)]
#[projection(name = "odd", events(Registered), views(Odd))]
struct Odds;

impl Project<Registered> for Odds {
    async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> HandlerResult {
        Ok(context.put(Odd {
            r#type: event.name,
            data: 7,
        })?)
    }
}

#[test]
fn names_are_quoted_and_those_that_are_too_long_are_refused() {
    with_database("names_are_quoted", async |database| {
        let store = MemoryStore::new();
        register(&store, "ann", "Basel").await;
        let views = database.views().await;
        let run = Midgard::new(store.clone()).project(Odds, views.clone());
        run.catch_up().await.unwrap();
        assert_eq!(views.select(Odd::by_data(7)).await.unwrap().len(), 1);
        let shown = database
            .sql("SELECT type, data, row_data->>'data' FROM midgard_views.\"order.by-user\"");
        assert_eq!(shown, "ann\t7\t7");

        let run = Midgard::new(store).project(Longs, views.clone());
        let handle = run.handle();
        let running = tokio::spawn(run.run());
        let message = loop {
            if let Some(error) = handle.status_of("long").unwrap().last_error {
                break format!("{error:?}");
            }
            tokio::task::yield_now().await;
        };
        assert!(
            message.contains("at most 63") && message.contains("shorter name"),
            "{message}"
        );
        handle.stop();
        running.await.unwrap().unwrap();
    });
}
