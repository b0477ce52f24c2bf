//! Bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.

use crate::{Document, NodeConfig, Spec};

/// A spec as people write it: no panic, and what is read is written so that it reads the same.
pub fn spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(document) = Document::parse(text) else { return };
    for problem in document.problems() {
        let _ = document.line(&problem.path);
    }
    if let Ok(spec) = document.into_spec() {
        let again = Spec::from_json(&spec.to_json());
        assert_eq!(again.as_ref(), Ok(&spec), "JSON written is JSON read");
        assert_eq!(
            again.map(|again| again.hash()),
            Ok(spec.hash()),
            "the same spec, the same hash"
        );
        assert_eq!(crate::read(&spec.to_yaml()).as_ref(), Ok(&spec), "YAML written is YAML read");
    }
}

/// A node file: no panic.
pub fn node_file(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = NodeConfig::parse(text);
    }
}
