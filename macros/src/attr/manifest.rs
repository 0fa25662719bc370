//! Under which name a package depends on midgard, as its `Cargo.toml` says it.
//!
//! With `es = { package = "midgard-es", .. }` the crate is `::es`, and code that names `::midgard` would not compile.
//! Only that much of a manifest is read, line by line: where it is written in another way, the derives have
//! `crate = path`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The package, and what it was called before.
const PACKAGES: [&str; 2] = ["midgard-es", "midgard"];

/// The name, if it is another than that of the crate.
pub(super) fn renamed() -> Option<String> {
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let manifest = fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    if let Some(name) = name_in(&manifest) {
        return name;
    }
    // `es.workspace = true`: the name is that of the workspace, which says the package.
    let workspace = directory.ancestors().find_map(workspace)?;
    let name = name_in(&workspace)??;
    dependencies(&manifest)
        .any(|(key, _)| crate_name(key) == name)
        .then_some(name)
}

fn workspace(directory: &Path) -> Option<String> {
    let manifest = fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    let is_root = manifest
        .lines()
        .any(|line| line.trim().starts_with("[workspace"));
    is_root.then_some(manifest)
}

/// The name of midgard in a manifest: `None` when it is not there, and `Some(None)` when it is there under its own.
fn name_in(manifest: &str) -> Option<Option<String>> {
    let mut renamed = None;
    for (key, value) in dependencies(manifest) {
        match package(value) {
            Some(package) if PACKAGES.contains(&package) => {
                renamed.get_or_insert_with(|| crate_name(key));
            }
            None if PACKAGES.contains(&key) && !value.contains("workspace") => return Some(None),
            _ => {}
        }
    }
    renamed.map(Some)
}

/// Each dependency, with what stands behind its name: `("es", "{ package = \"midgard-es\" }")`.
fn dependencies(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut table = "";
    manifest.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']').trim();
            return None;
        }
        let (key, value) = line.split_once('=')?;
        let key = key.trim().trim_matches('"');
        if table.ends_with("dependencies") {
            // `es.workspace = true`, `es.package = ".."`.
            let name = key.split('.').next()?;
            return Some((name, if name == key { value } else { line }));
        }
        // `[dependencies.es]`, with `package = ".."` below.
        let (of, name) = table.rsplit_once('.')?;
        of.ends_with("dependencies")
            .then(|| (name.trim_matches('"'), line))
    })
}

/// The package that a dependency names.
fn package(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("package")?;
    let rest = rest.trim_start().strip_prefix('=')?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}

/// The name of a dependency in code.
fn crate_name(key: &str) -> String {
    key.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::{dependencies, name_in};

    fn renamed(manifest: &str) -> Option<String> {
        name_in(manifest).flatten()
    }

    #[test]
    fn another_name_is_found_however_it_is_written() {
        for manifest in [
            "[dependencies]\nes = { package = \"midgard-es\", version = \"1\" }",
            "[dependencies]\nserde = \"1\"\nes = { version = \"1\", package=\"midgard\" }",
            "[dev-dependencies]\nes.package = \"midgard-es\"",
            "[target.'cfg(unix)'.dependencies]\nes = { path = \"..\", package = \"midgard-es\" }",
            "[dependencies.es]\nversion = \"1\"\npackage = \"midgard-es\"",
            "[workspace.dependencies]\nes = { package = \"midgard-es\", version = \"1\" }",
        ] {
            assert_eq!(renamed(manifest).as_deref(), Some("es"), "{manifest}");
        }
        let dashed = "[dependencies]\nevent-store = { package = \"midgard-es\" }";
        assert_eq!(renamed(dashed).as_deref(), Some("event_store"));
    }

    #[test]
    fn own_name_wins_and_other_packages_do_not_matter() {
        for manifest in [
            "[package]\nname = \"midgard-es\"",
            "[dependencies]\nmidgard-es = \"1\"",
            "[dependencies]\nmidgard = { path = \"../core\" }",
            "[dependencies]\nmidgard = \"1\"\nold = { package = \"midgard\", version = \"0.1\" }",
            "[dependencies]\nes = { package = \"midgard-store-lmdb\" }",
            "[dependencies.serde]\nversion = \"1\"",
        ] {
            assert_eq!(renamed(manifest), None, "{manifest}");
        }
    }

    #[test]
    fn dependency_of_the_workspace_is_seen() {
        for manifest in [
            "[dependencies]\nes.workspace = true",
            "[dependencies]\nes = { workspace = true }",
            "[dependencies.es]\nworkspace = true",
        ] {
            let mut all = dependencies(manifest);
            assert!(all.any(|(name, _)| name == "es"), "{manifest}");
        }
    }
}
