//! Every mistake has one good error: each file in `ui/<macro>/fail` is one mistake and what it is told, each in
//! `ui/<macro>/pass` compiles without a warning.
//!
//! The `.stderr` files belong to one compiler; see `rust-toolchain` in CONTRIBUTING. `TRYBUILD=overwrite` rewrites
//! them: read what changed.

#[test]
fn every_mistake_has_one_good_error() {
    trybuild::TestCases::new().compile_fail("ui/*/fail/*.rs");
}

#[test]
fn what_is_right_compiles() {
    trybuild::TestCases::new().pass("ui/*/pass/*.rs");
}
