//! Features of `serde_json` that some crate of a program turns on are on for all of it, midgard included. None of them
//! makes a stored event unreadable.
//!
//! A program that turns them on is made and tested here: within this workspace they would be on for everything. It is built where
//! the workspace is, as most of what it depends on is there already.

use std::fs;
use std::path::Path;
use std::process::Command;

/// One after the other, as they share what they are built of.
#[test]
fn features_that_others_turn_on_do_no_harm() {
    let features = ["arbitrary_precision", "preserve_order", "unbounded_depth"];
    test_program("arbitrary_precision", &features[..1]);
    test_program("all", &features);
}

/// Runs the tests of a program in which these features are on.
fn test_program(name: &str, features: &[&str]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let core = tests.parent().unwrap();
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = temporary.join("serde_json_features").join(name);
    fs::create_dir_all(&program).unwrap();
    fs::copy(core.join("../Cargo.lock"), program.join("Cargo.lock")).unwrap();
    let manifest = format!(
        "[package]\nname = \"program-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [lib]\npath = {:?}\n\n\
         [dependencies]\nmidgard-es = {{ path = {core:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\
         serde_json = {{ version = \"1\", features = {features:?} }}\n\n\
         [profile.dev]\ndebug = false\n\n[workspace]\n",
        tests.join("serde_json_features/program.rs"),
    );
    fs::write(program.join("Cargo.toml"), manifest).unwrap();
    let tested = Command::new(env!("CARGO"))
        .args(["test", "--offline", "--lib", "--manifest-path"])
        .arg(program.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", temporary.parent().unwrap())
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let (said, failed) = (
        String::from_utf8_lossy(&tested.stdout),
        String::from_utf8_lossy(&tested.stderr),
    );
    assert!(tested.status.success(), "{failed}\n{said}");
    // Its own tests, and the one that the derive of an aggregate adds.
    for test in [
        "stored::what_was_stored_without_the_feature_is_read ... ok",
        "over_the_program ... ok",
    ] {
        assert!(said.contains(test), "{said}");
    }
}
