//! Each public name has one path: it is at the root, or in one module.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The paths of each public name.
type Paths = BTreeMap<String, Vec<String>>;

#[test]
fn each_public_name_has_one_path() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The other packages are not there where this one is by itself.
    for package in [
        ".",
        "../contract",
        "../store-lmdb",
        "../store-postgres",
        "../store-sharded",
        "../bus-nats",
        "../bus-rabbitmq",
    ] {
        let file = root.join(package).join("src/lib.rs");
        if let Ok(text) = fs::read_to_string(&file) {
            let mut paths = Paths::new();
            let name = package.trim_start_matches('.');
            collect(&text, &file.with_file_name(""), name, &mut paths);
            assert!(!paths.is_empty(), "nothing is public in {package}");
            paths.retain(|_, paths| paths.len() > 1);
            assert!(paths.is_empty(), "show each name in one place: {paths:#?}");
        }
    }
}

#[test]
fn names_are_found_however_they_are_shown() {
    let text = "
/// Text.
pub mod inline {}
#[doc(hidden)]
pub use secret::Secret;
#[doc(hidden)]
#[must_use]
pub fn hidden() {}
pub(crate) use own::Own;
pub use deep::{
    First, second::{Second, third},
    Fourth as Fifth,
};
#[derive(Debug)]
pub struct Sixth<T> {
    pub seventh: T,
}
pub const fn eighth() {}
pub use midgard_macros::Derived;
";
    let mut paths = Paths::new();
    collect(text, Path::new("nowhere"), "m", &mut paths);
    let paths: Vec<_> = paths.into_values().flatten().collect();
    let wanted = [
        "m::Fifth",
        "m::First",
        "m::Second",
        "m::Sixth",
        "m::eighth",
        "m::third",
    ];
    assert_eq!(paths, wanted);
}

/// Adds the names that a module shows, and those of its public modules.
fn collect(text: &str, folder: &Path, module: &str, paths: &mut Paths) {
    let mut is_hidden = false;
    // Items begin at the first column, and go on further right.
    for (at, _) in text.match_indices('\n') {
        let item = &text[at + 1..];
        if item.starts_with("#[doc(hidden)]") {
            is_hidden = true;
        } else if let Some(item) = item.strip_prefix("pub ") {
            if !std::mem::take(&mut is_hidden) {
                show(item, folder, module, paths);
            }
        } else if !item.starts_with(['#', '/', ' ', ']', ')']) {
            is_hidden = false;
        }
    }
}

/// Adds what one public item shows.
fn show(item: &str, folder: &Path, module: &str, paths: &mut Paths) {
    let (kind, rest) = item.split_once(' ').unwrap_or_default();
    match kind {
        "mod" => {
            let end = rest.find([';', ' ']).unwrap_or_default();
            let name = &rest[..end];
            let inner = folder.join(name);
            let files: [PathBuf; 2] = [inner.join("mod.rs"), inner.with_extension("rs")];
            if let Some(text) = files.iter().find_map(|file| fs::read_to_string(file).ok()) {
                collect(&text, &inner, &format!("{module}::{name}"), paths);
            }
        }
        // Derives have the names of their traits.
        "use" if rest.starts_with("midgard_macros::") => {}
        "use" => {
            let end = rest.find(';').unwrap_or_default();
            let list = &rest[..end];
            assert!(!list.contains('*'), "name what {module} shows: {list}");
            let separators = |letter: char| !letter.is_alphanumeric() && !"_: ".contains(letter);
            for path in list.split(separators) {
                let name = path.rsplit([':', ' ']).next().unwrap_or_default();
                add(name, module, paths);
            }
        }
        "const" | "async" if rest.starts_with("fn ") => show(rest, folder, module, paths),
        _ => {
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            let end = rest.find(|letter| !is_word(letter)).unwrap_or_default();
            add(&rest[..end], module, paths);
        }
    }
}

fn add(name: &str, module: &str, paths: &mut Paths) {
    if !name.is_empty() {
        let shown = paths.entry(name.to_owned()).or_default();
        shown.push(format!("{module}::{name}"));
    }
}
