//! `cargo check` of 100 events in one aggregate, and of the same structs with serde's derives alone.

use crate::contest::rounds;
use crate::table::{Asked, Line};
use crate::{Bench, Outcome};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// How many events the aggregate has.
const EVENTS: usize = 100;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core");
    let midgard = format!("midgard-es = {{ path = '{}' }}\n", core.display());
    let target = bench.path("check-target");
    let bare = Crate::new(bench, "bare", "", &bare(), &target)?;
    let ours = Crate::new(bench, "ours", &midgard, &ours(), &target)?;
    // Once each before the rounds, for their dependencies.
    bare.check()?;
    ours.check()?;
    let [ours, bare] = rounds(bench.rounds, [&mut || ours.check(), &mut || bare.check()])?;
    Ok(vec![
        Line::new("check-time", "s", &ours, &bare, Asked::AtMost(2.0))
            .note("the crate alone, without incremental files"),
    ])
}

/// A small crate, generated to be checked.
struct Crate {
    directory: PathBuf,
    target: PathBuf,
}

impl Crate {
    fn new(
        bench: &Bench,
        name: &str,
        dependency: &str,
        source: &str,
        target: &Path,
    ) -> Outcome<Self> {
        let directory = bench.path(name);
        fs::create_dir_all(directory.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n{dependency}\n[workspace]\n"
        );
        fs::write(directory.join("Cargo.toml"), manifest)?;
        // The versions that are there already.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
        fs::copy(lock, directory.join("Cargo.lock"))?;
        fs::write(directory.join("src/lib.rs"), source)?;
        Ok(Crate {
            directory,
            target: target.to_owned(),
        })
    }

    /// Checks the crate again, and returns how many seconds that took.
    fn check(&self) -> Outcome<f64> {
        let file = self.directory.join("src/lib.rs");
        fs::write(&file, fs::read(&file)?)?;
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["check", "--quiet", "--offline"])
            .current_dir(&self.directory)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "0");
        let began = Instant::now();
        if !cargo.status()?.success() {
            return Err("a crate that was made to be checked could not be".into());
        }
        Ok(began.elapsed().as_secs_f64())
    }
}

/// Returns the structs of the events, with these derives and the code that follows them.
fn structs(derives: &str, attribute: impl Fn(usize) -> String) -> String {
    (0..EVENTS).fold(String::new(), |mut out, event| {
        let attribute = attribute(event);
        let _ = write!(
            out,
            "#[derive(Debug, Clone, Serialize, Deserialize{derives})]\n{attribute}\
             pub struct Event{event} {{\n    pub number: u64,\n    pub name: String,\n    \
             pub note: Option<String>,\n    pub parts: Vec<u32>,\n}}\n\n"
        );
        out
    })
}

fn bare() -> String {
    let structs = structs("", |_| String::new());
    format!("use serde::{{Deserialize, Serialize}};\n\n{structs}")
}

fn ours() -> String {
    let mut out =
        "use midgard::{Aggregate, Apply, Event};\nuse serde::{Deserialize, Serialize};\n\n"
            .to_owned();
    out += &structs(", Event", |event| {
        format!("#[event(name = \"thing.changed-{event}\")]\n")
    });
    let names: Vec<_> = (0..EVENTS).map(|event| format!("Event{event}")).collect();
    let _ = write!(
        out,
        "#[derive(Debug, Default, Aggregate)]\n\
         #[aggregate(name = \"thing\", id = u64, events({}))]\n\
         pub struct Thing {{\n    pub last: u64,\n}}\n\n",
        names.join(", ")
    );
    for name in names {
        let _ = write!(
            out,
            "impl Apply<{name}> for Thing {{\n    fn apply(&mut self, event: {name}) {{\n        \
             self.last = event.number;\n    }}\n}}\n\n"
        );
    }
    out
}
