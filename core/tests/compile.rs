//! What the derives accept, and what the compiler says of what they refuse.
//!
//! The messages are part of the product. They are those of one release of rustc; after an upgrade run
//! with `TRYBUILD=overwrite`, and read the difference as a user would.

#[test]
fn programs_that_compile() {
    trybuild::TestCases::new().pass("tests/ui-pass/*.rs");
}

#[test]
fn mistakes_and_what_is_said_of_them() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
