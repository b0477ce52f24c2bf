//! Bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.

use tidegate_http::{FieldList, Method};

use crate::compile_text;

/// A spec as people write it: no panic while compiling, and none on the requests that follow.
pub fn spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match compile_text(text, 1) {
        Ok((spec, snapshot)) => {
            assert_eq!(snapshot.hash, spec.hash());
            let _ = snapshot.describe();
            for path in ["/", "/a", "/a/b", "//", "/media/x.m4s"] {
                let fields = FieldList::default();
                if let Some(found) = snapshot.router.find("a.example", Method::Get, path, &fields) {
                    let _ = snapshot.route(found.route);
                }
            }
        }
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
}
