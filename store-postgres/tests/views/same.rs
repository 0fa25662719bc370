//! Views in PostgreSQL answer as embedded ones do: random rows, and random selections of them.

use crate::kit::with_database;
use midgard::EventId;
use midgard::notes::NoteStore as _;
use midgard::projection::{Generation, ViewDefinition, ViewStore as _};
use midgard::view::{KeyBytes, Select, StartingWith, ViewTransaction};
use midgard::{MemoryStore, Timestamp, View, ViewKey, Views};
use midgard_store_postgres::PostgresViews;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::ops::Bound;

/// A version such as 1.12, with a form of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Dotted(u16, u16);

impl ViewKey for Dotted {
    fn describe(form: &mut String) {
        form.push_str("dotted");
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        self.0.encode(bytes);
        self.1.encode(bytes);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ViewKey)]
enum Status {
    Open,
    Late,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ViewKey)]
struct Place {
    country: String,
    zip: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(
    key = (group, number),
    index(text, ordered),
    index(maybe, ordered),
    index(whole, ordered),
    index(signed, ordered),
    index(time, ordered),
    index(id, ordered),
    index(status, ordered),
    index(place, ordered),
    index(dotted, ordered),
    index(blob, ordered),
    index(hidden, ordered),
    index(email, unique, ordered),
    index(pair = (maybe, text), ordered),
    index(both = (group, signed), ordered),
)]
struct Many {
    group: String,
    number: i16,
    text: String,
    maybe: Option<String>,
    whole: u64,
    signed: i128,
    time: Timestamp,
    id: EventId,
    status: Status,
    place: Place,
    dotted: Dotted,
    blob: Vec<u8>,
    hidden: Option<(u8, bool)>,
    email: Option<String>,
    float: f64,
    big: u128,
    unsorted: serde_json::Value,
}

struct Random(fastrand::Rng);

impl Random {
    fn text(&mut self) -> String {
        let texts = [
            "",
            "a",
            "ab",
            "abc",
            "B",
            "b",
            "ä",
            "z",
            "zz",
            "\u{1}",
            "a\u{1}",
            "\u{10FFFF}",
            "ß",
            "%",
            "_",
            "'",
            "\"",
            "\\",
        ];
        texts[self.0.usize(..texts.len())].to_owned()
    }

    fn maybe(&mut self) -> Option<String> {
        self.0.bool().then(|| self.text())
    }

    fn whole(&mut self) -> u64 {
        let wholes = [
            0,
            1,
            9,
            10,
            9_999,
            10_000,
            1 << 53,
            i64::MAX as u64,
            1 << 63,
            u64::MAX,
        ];
        wholes[self.0.usize(..wholes.len())]
    }

    fn signed(&mut self) -> i128 {
        let signed = [i128::MIN, -10_000, -1, 0, 1, 7, 1 << 70, i128::MAX];
        signed[self.0.usize(..signed.len())]
    }

    fn time(&mut self) -> Timestamp {
        Timestamp::from_micros(self.0.u64(..5) * 1_000_000_007)
    }

    fn status(&mut self) -> Status {
        [Status::Open, Status::Late, Status::Closed][self.0.usize(..3)].clone()
    }

    fn place(&mut self) -> Place {
        Place {
            country: self.text(),
            zip: self.0.bool().then(|| self.0.u16(..3)),
        }
    }

    fn dotted(&mut self) -> Dotted {
        Dotted(self.0.u16(..3), self.0.u16(..300))
    }

    fn blob(&mut self) -> Vec<u8> {
        let length = self.0.usize(..3);
        (0..length)
            .map(|_| [0, 1, 2, 255][self.0.usize(..4)])
            .collect()
    }

    fn hidden(&mut self) -> Option<(u8, bool)> {
        self.0.bool().then(|| (self.0.u8(..3), self.0.bool()))
    }

    fn id(&mut self) -> EventId {
        EventId::from_bytes((self.0.u128(..4) << 100).to_be_bytes())
    }

    fn row(&mut self, email: Option<String>) -> Many {
        Many {
            group: self.text(),
            number: self.0.i16(-2..3),
            text: self.text(),
            maybe: self.maybe(),
            whole: self.whole(),
            signed: self.signed(),
            time: self.time(),
            id: self.id(),
            status: self.status(),
            place: self.place(),
            dotted: self.dotted(),
            blob: self.blob(),
            hidden: self.hidden(),
            email,
            float: [0.1, -0.0, 1e300, 5e-324, 1.0, 1e16][self.0.usize(..6)],
            big: u128::MAX - self.0.u128(..3),
            unsorted: serde_json::json!({"z": 1.0, "a": [1e2, -0.0, null], "aa": "x"}),
        }
    }

    fn bound<T>(&mut self, value: impl Fn(&mut Self) -> T) -> Bound<T> {
        match self.0.u8(..3) {
            0 => Bound::Included(value(self)),
            1 => Bound::Excluded(value(self)),
            _ => Bound::Unbounded,
        }
    }

    /// A selection, made twice.
    fn select(&mut self) -> [Select<Many>; 2] {
        macro_rules! by {
            ($range:ident $equal:ident $ordered:ident $value:expr) => {{
                let value = $value;
                match self.0.u8(..3) {
                    0 => {
                        let (from, to) = (self.bound(&value), self.bound(&value));
                        [(); 2].map(|()| Many::$range((from.clone(), to.clone())))
                    }
                    1 => {
                        let one = value(self);
                        [(); 2].map(|()| Many::$equal(one.clone()))
                    }
                    _ => [(); 2].map(|()| Many::$ordered()),
                }
            }};
        }
        match self.0.u8(..19) {
            0 => by!(by_text_range by_text ordered_by_text Random::text),
            1 => by!(by_maybe_range by_maybe ordered_by_maybe Random::maybe),
            2 => by!(by_whole_range by_whole ordered_by_whole Random::whole),
            3 => by!(by_signed_range by_signed ordered_by_signed Random::signed),
            4 => by!(by_time_range by_time ordered_by_time Random::time),
            5 => by!(by_id_range by_id ordered_by_id Random::id),
            6 => by!(by_status_range by_status ordered_by_status Random::status),
            7 => by!(by_place_range by_place ordered_by_place Random::place),
            8 => by!(by_dotted_range by_dotted ordered_by_dotted Random::dotted),
            9 => by!(by_blob_range by_blob ordered_by_blob Random::blob),
            10 => by!(by_hidden_range by_hidden ordered_by_hidden Random::hidden),
            11 => by!(by_email_range by_email ordered_by_email Random::maybe),
            12 => {
                by!(by_pair_range by_pair ordered_by_pair |one: &mut Random| (one.maybe(), one.text()))
            }
            13 => {
                by!(by_both_range by_both ordered_by_both |one: &mut Random| (one.text(), one.signed()))
            }
            14 => {
                let text = self.text();
                [(); 2].map(|()| Many::by_text_range(StartingWith(text.as_str())))
            }
            15 => {
                let text = self.text();
                [(); 2].map(|()| Select::keys(StartingWith(text.as_str())))
            }
            16 => {
                let maybe = self.maybe();
                [(); 2].map(|()| Many::by_pair_range(StartingWith(maybe.clone())))
            }
            17 => {
                let nul = ["\0", "a\0b", "ab\0"][self.0.usize(..3)].to_owned();
                let other = self.text();
                match self.0.u8(..4) {
                    0 => [(); 2].map(|()| Many::by_text_range(nul.as_str()..other.as_str())),
                    1 => [(); 2].map(|()| Many::by_text_range(other.as_str()..=nul.as_str())),
                    2 => [(); 2].map(|()| Many::by_text(nul.as_str())),
                    _ => [(); 2].map(|()| Many::by_text_range(StartingWith(nul.as_str()))),
                }
            }
            _ => {
                let key = |one: &mut Random| (one.text(), one.0.i16(-2..3));
                let (from, to) = (self.bound(key), self.bound(key));
                [(); 2].map(|()| Select::keys((from.clone(), to.clone())))
            }
        }
    }
}

fn changed(
    select: Select<Many>,
    is_reverse: bool,
    limit: Option<usize>,
    is_filtered: bool,
) -> Select<Many> {
    let mut select = if is_reverse { select.reverse() } else { select };
    if let Some(limit) = limit {
        select = select.limit(limit);
    }
    if is_filtered {
        select = select.filter(|row| row.number >= 0);
    }
    select
}

/// One change of rows, which is made until all that it reads is there.
async fn change<T: PartialEq + Debug>(
    views: &Views,
    transaction: &mut ViewTransaction,
    work: impl Fn(&mut ViewTransaction) -> Result<T, String>,
) -> Result<T, String> {
    loop {
        let done = work(transaction);
        let checked = views.check(transaction).await;
        if views.lacking(transaction) == 0 {
            let done = done?;
            return checked.map(|()| done).map_err(|error| error.to_string());
        }
        views.load(transaction).await.unwrap();
    }
}

#[test]
fn random_rows_and_selections_are_the_same() {
    with_database(
        "random_rows_and_selections_are_the_same",
        async |database| {
            let seed = std::env::var("MIDGARD_TEST_SEED").ok();
            let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
            let mut random = Random(fastrand::Rng::with_seed(seed));
            let rounds =
                std::env::var("MIDGARD_TEST_ROUNDS").map_or(12, |rounds| rounds.parse().unwrap());
            let embedded = Views::new(MemoryStore::new());
            let postgres = database.views().await;
            let views = [embedded.clone(), postgres.for_projections()];
            let generation = Generation::new("same", 1, [ViewDefinition::of::<Many>()]);
            for views in &views {
                let mut transaction = views.begin_generation(&generation).await.unwrap();
                views.prepare(&mut transaction, &generation).await.unwrap();
                views.activate(&mut transaction, &generation).await.unwrap();
                views.commit(transaction).await.unwrap();
            }
            for round in 0..rounds {
                let mut outcomes = Vec::new();
                // The same changes in both: one transaction each.
                let rows: Vec<_> = (0..random.0.usize(1..12))
                    .map(|_| {
                        let email = random.0.bool().then(|| random.0.u8(..30).to_string());
                        (random.0.u8(..6), random.row(email))
                    })
                    .collect();
                for views in &views {
                    let mut transaction = views.begin_generation(&generation).await.unwrap();
                    let apply = |transaction: &mut ViewTransaction, (kind, row): &(u8, Many)| {
                        let key = (row.group.as_str(), row.number);
                        match kind {
                            0 => transaction.remove::<Many>(key).map(|was| was.to_string()),
                            1 => transaction
                                .update::<Many>(key, |old| {
                                    old.text = row.text.clone();
                                    old.maybe = row.maybe.clone();
                                })
                                .map(|was| was.to_string()),
                            2 => transaction.get::<Many>(key).map(|row| format!("{row:?}")),
                            _ => transaction.put(row.clone()).map(|()| String::new()),
                        }
                        .map_err(|error| error.to_string())
                    };
                    let mut outcome = Vec::new();
                    // As a track does: after a failure, the events before it are handled again.
                    let mut good: Vec<usize> = Vec::new();
                    for (at, (kind, row)) in rows.iter().enumerate() {
                        let done = change(views, &mut transaction, |transaction| {
                            for good in &good {
                                apply(transaction, &rows[*good])?;
                            }
                            apply(transaction, &(*kind, row.clone()))
                        })
                        .await;
                        match &done {
                            Ok(_) => good.push(at),
                            Err(_) => {
                                transaction = views.begin_generation(&generation).await.unwrap();
                                let redone = change(views, &mut transaction, |transaction| {
                                    good.iter().try_for_each(|good| {
                                        apply(transaction, &rows[*good]).map(drop)
                                    })
                                });
                                redone.await.unwrap();
                            }
                        }
                        outcome.push(done);
                    }
                    // Within the transaction, its changes are seen.
                    let state = random.0.clone();
                    let seen = change(views, &mut transaction, |transaction| {
                        good.iter()
                            .try_for_each(|good| apply(transaction, &rows[*good]).map(drop))?;
                        let [select, _] = Random(state.clone()).select();
                        let rows = transaction
                            .select(select.limit(9))
                            .map_err(|error| error.to_string())?;
                        Ok(format!("{rows:?}"))
                    });
                    outcome.push(seen.await);
                    views.commit(transaction).await.unwrap();
                    outcomes.push(outcome);
                }
                assert_eq!(outcomes[0], outcomes[1], "seed {seed}, round {round}");

                let snapshot = embedded.snapshot().unwrap();
                for _ in 0..25 {
                    let selects = random.select();
                    let shown = format!("seed {seed}, round {round}: {:?}", selects[0]);
                    let is_reverse = random.0.bool();
                    let limit = random.0.bool().then(|| random.0.usize(..6));
                    let is_filtered = random.0.u8(..4) == 0;
                    let [one, other] =
                        selects.map(|select| changed(select, is_reverse, limit, is_filtered));
                    let expected = snapshot.select(one).unwrap();
                    let found = postgres.select(other).await.unwrap();
                    assert_eq!(found, expected, "{shown}");
                }
                paged(&mut random, &embedded, &postgres, seed).await;
            }
            let all = embedded.select(Select::<Many>::all()).unwrap();
            assert!(all.len() > 20, "the test has rows to compare");
        },
    );
}

/// Pages of a selection are the same, and so are the texts of cursors.
async fn paged(random: &mut Random, embedded: &Views, postgres: &PostgresViews, seed: u64) {
    let state = random.0.clone();
    let mut cursor = None;
    let mut count = 0;
    loop {
        random.0 = state.clone();
        let selects = random.select();
        let shown = format!("seed {seed}: {:?}", selects[0]);
        let (is_reverse, size) = (random.0.bool(), random.0.usize(1..7));
        let [one, other] = selects.map(|select| {
            let select = changed(select, is_reverse, Some(size), false);
            match &cursor {
                Some(cursor) => select.after(cursor),
                None => select,
            }
        });
        let expected = embedded.page(one).unwrap();
        let found = postgres.page(other).await.unwrap();
        assert_eq!(found, expected, "{shown}");
        count += 1;
        match found.next {
            Some(next) if count < 100 => cursor = Some(next),
            _ => break,
        }
    }
}
