//! Handlers that read what they write: the same projection over embedded views and over PostgreSQL.

use crate::kit::{Left, Ordered, Registered, append, order, register, with_database};
use midgard::view::{KeyBytes, Select, ViewError};
use midgard::{
    Context, HandlerResult, MemoryStore, Midgard, Project, Projection, View, ViewKey, Views,
};
use midgard_store_postgres::{PostgresStore, PostgresViews};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = name, index(cents, ordered))]
struct Buyer {
    name: String,
    cents: u64,
}

/// The best buyers after each order, by its position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = position)]
struct Best {
    position: u64,
    names: Vec<String>,
    previous: Option<u64>,
}

#[derive(Projection)]
#[projection(name = "buyers", events(Registered, Ordered, Left), views(Buyer, Best))]
struct Buyers {
    effects: Arc<AtomicUsize>,
}

impl Project<Registered> for Buyers {
    async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> HandlerResult {
        let name = event.name;
        Ok(context.put(Buyer { name, cents: 0 })?)
    }
}

impl Project<Ordered> for Buyers {
    async fn project(&self, event: Ordered, context: &mut Context<'_, Self>) -> HandlerResult {
        context.update::<Buyer>(&event.name, |row| row.cents += event.cents)?;
        let best = context.select(Buyer::ordered_by_cents().reverse().limit(3))?;
        // Which row is read depends on another one.
        let last = context.select(Select::<Best>::all().reverse().limit(1))?;
        let previous = last.first().map(|row| row.position);
        if let Some(previous) = previous {
            context.update::<Best>(previous, |row| row.names.push("past".to_owned()))?;
        }
        context.put(Best {
            position: context.recorded().position.get(),
            names: best.into_iter().map(|row| row.name).collect(),
            previous,
        })?;
        let effects = self.effects.clone();
        context.after_commit(async move {
            effects.fetch_add(1, Ordering::SeqCst);
        });
        Ok(())
    }
}

impl Project<Left> for Buyers {
    async fn project(&self, event: Left, context: &mut Context<'_, Self>) -> HandlerResult {
        context.remove::<Buyer>(&event.name)?;
        Ok(())
    }
}

const ORDERS: u64 = 700;

async fn fill(store: &MemoryStore) {
    for number in 0..30 {
        register(store, &format!("b{number}"), "").await;
    }
    for number in 0..ORDERS {
        order(store, &format!("b{}", number * 7 % 30), number % 91).await;
        if number % 100 == 99 {
            let name = format!("b{}", number / 100);
            append(store, &name, &Left { name: name.clone() }).await;
        }
    }
}

#[test]
fn the_same_projection_keeps_the_same_rows() {
    with_database(
        "the_same_projection_keeps_the_same_rows",
        async |database| {
            let store = MemoryStore::new();
            fill(&store).await;
            let (embedded, postgres) = (Views::new(MemoryStore::new()), database.views().await);
            for views in [embedded.clone(), postgres.for_projections()] {
                let effects = Arc::default();
                let buyers = Buyers {
                    effects: Arc::clone(&effects),
                };
                let run = Midgard::new(store.clone()).project(buyers, views);
                run.catch_up().await.unwrap();
                // However often a handler was called.
                assert_eq!(effects.load(Ordering::SeqCst) as u64, ORDERS);
            }
            let all = embedded.select(Select::<Best>::all()).unwrap();
            assert_eq!(all.len() as u64, ORDERS);
            assert_eq!(postgres.select(Select::<Best>::all()).await.unwrap(), all);
            let buyers = embedded.select(Buyer::ordered_by_cents()).unwrap();
            assert_eq!(
                postgres.select(Buyer::ordered_by_cents()).await.unwrap(),
                buyers
            );
            // Embedded reads of what is elsewhere are refused.
            let refused = postgres.for_projections().select(Select::<Best>::all());
            assert!(matches!(refused, Err(ViewError::InDatabase)), "{refused:?}");
        },
    );
}

#[test]
fn a_snapshot_sees_all_views_as_they_were() {
    with_database("a_snapshot_sees_all_views_as_they_were", async |database| {
        let store = MemoryStore::new();
        register(&store, "ann", "").await;
        order(&store, "ann", 5).await;
        let views = database.views().await;
        let run = |views: PostgresViews| {
            let buyers = Buyers {
                effects: Arc::default(),
            };
            Midgard::new(store.clone())
                .project(buyers, views)
                .catch_up()
        };
        run(views.clone()).await.unwrap();
        let mut before = views.snapshot().await.unwrap();
        let ann = before.get::<Buyer>("ann").await.unwrap().unwrap();
        order(&store, "ann", 6).await;
        run(views.clone()).await.unwrap();
        assert_eq!(before.get::<Buyer>("ann").await.unwrap().unwrap(), ann);
        assert_eq!(before.count(Select::<Best>::all()).await.unwrap(), 1);
        drop(before);
        assert_eq!(views.get::<Buyer>("ann").await.unwrap().unwrap().cents, 11);
        assert_eq!(views.count(Select::<Best>::all()).await.unwrap(), 2);
        assert_eq!(
            views.count(Select::<Best>::all().limit(1)).await.unwrap(),
            1
        );
        let even = || Select::<Best>::all().filter(|row| row.position % 2 == 0);
        assert_eq!(views.count(even()).await.unwrap(), 1);
        assert_eq!(
            views
                .first(even().reverse())
                .await
                .unwrap()
                .unwrap()
                .position,
            2
        );
    });
}

/// A version such as 1.12, with a form of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Release(Vec<u16>);

impl ViewKey for Release {
    fn describe(form: &mut String) {
        form.push_str("release");
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        for part in &self.0 {
            bytes.push_fixed(&[1]);
            part.encode(bytes);
        }
        bytes.push_fixed(&[0]);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = name, index(release, ordered))]
struct Installed {
    name: String,
    release: Release,
}

#[derive(Projection)]
#[projection(name = "installed", events(Registered, Left), views(Installed))]
struct Installations;

impl Project<Registered> for Installations {
    async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> HandlerResult {
        let parts = event.city.split('.').map(str::parse);
        let release = Release(parts.collect::<Result<_, _>>()?);
        let name = event.name;
        Ok(context.put(Installed { name, release })?)
    }
}

impl Project<Left> for Installations {
    async fn project(&self, event: Left, context: &mut Context<'_, Self>) -> HandlerResult {
        context.remove::<Installed>(&event.name)?;
        Ok(())
    }
}

#[test]
fn pages_by_a_key_whose_form_is_unknown() {
    with_database("pages_by_a_key_whose_form_is_unknown", async |database| {
        let store = MemoryStore::new();
        for (name, release) in [
            ("a", "1.9"),
            ("b", "1.12"),
            ("c", "1.9"),
            ("d", "1"),
            ("e", "1.9.1"),
        ] {
            register(&store, name, release).await;
        }
        let views = database.views().await;
        let run = || Midgard::new(store.clone()).project(Installations, views.clone());
        run().catch_up().await.unwrap();
        let page = views
            .page(Installed::ordered_by_release().limit(2))
            .await
            .unwrap();
        let names =
            |rows: &[Installed]| rows.iter().map(|row| row.name.clone()).collect::<String>();
        assert_eq!(names(&page.rows), "da");
        let next = page.next.unwrap();
        let rest = async || {
            let select = Installed::ordered_by_release().after(&next);
            names(&views.select(select).await.unwrap())
        };
        assert_eq!(rest().await, "ceb");
        // The row that the cursor names, and then all with its value, go away.
        append(
            &store,
            "a",
            &Left {
                name: "a".to_owned(),
            },
        )
        .await;
        run().catch_up().await.unwrap();
        assert_eq!(rest().await, "ceb");
        append(
            &store,
            "c",
            &Left {
                name: "c".to_owned(),
            },
        )
        .await;
        run().catch_up().await.unwrap();
        assert_eq!(rest().await, "eb");
        let before = Installed::ordered_by_release().reverse().after(&next);
        assert_eq!(names(&views.select(before).await.unwrap()), "d");
    });
}

#[test]
fn views_follow_a_log_in_the_same_database() {
    with_database(
        "views_follow_a_log_in_the_same_database",
        async |database| {
            let store = PostgresStore::open(&database.address).await.unwrap();
            let event = midgard::event::NewEvent::encode(&Registered {
                name: "ann".to_owned(),
                city: "1.2".to_owned(),
            });
            let append = midgard::store::Append::to(
                midgard::StreamName::new("customer-ann").unwrap(),
                midgard::store::ExpectedVersion::NoStream,
                [event.unwrap()],
            );
            midgard::Store::append(&store, append).await.unwrap();
            let views = database.views().await;
            let run = Midgard::new(store).project(Installations, views.clone());
            run.catch_up().await.unwrap();
            assert!(views.get::<Installed>("ann").await.unwrap().is_some());
            let shown = "SELECT string_agg(n.nspname, ' ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'installed'";
            assert_eq!(database.sql(shown), "midgard_views");
        },
    );
}
