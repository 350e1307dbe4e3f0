//! What must not compile: a grant that was not born of a committed claim.

#[test]
fn grants_cannot_be_made_copied_or_read_from_bytes() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
