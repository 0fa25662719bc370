//! What the compiler says of programs that it refuses. Those that it accepts are in `accepted/`.
//!
//! The messages are part of the product. They are those of one release of rustc; after an upgrade run
//! with `TRYBUILD=overwrite`, and read the difference as a user would.

#[test]
fn mistakes_and_what_is_said_of_them() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
