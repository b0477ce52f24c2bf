use std::fs;
use std::path::Path;

/// The page that says which test holds which requirement names only tests that exist.
#[test]
fn the_page_on_caching_names_tests_that_exist() {
    let proxy = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut source = String::new();
    for name in ["cache/src", "store/src"] {
        read_all(&proxy.join(name), &mut source);
    }
    let page = fs::read_to_string(proxy.join("../docs/caching.md")).unwrap();
    let rows = page.split("## Conformance").nth(1).unwrap();
    let names = rows.split('`').skip(1).step_by(2).filter(|name| name.contains('_'));
    let missing: Vec<_> = names.filter(|name| !source.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such test: {missing:?}");
}

fn read_all(dir: &Path, source: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, source);
        } else {
            source.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
