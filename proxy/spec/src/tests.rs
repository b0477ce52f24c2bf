//! Reading, writing and hashing specs.

use super::*;

#[test]
fn an_empty_document_is_an_empty_spec() {
    assert_eq!(read("").unwrap(), Spec::default());
}
