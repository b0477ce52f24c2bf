//! Shared limits as several nodes count them: every cell of the accuracy matrix, on a clock of its own.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod matrix;
mod traffic;
mod world;

/// Compares a table with the one in docs/limits.md between the marks of this name;
/// `TIDEGATE_BLESS=1 cargo test -p tidegate-limit --test it` writes it anew.
fn recorded(name: &str, table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
    let page = std::fs::read_to_string(path).unwrap();
    let begin = format!("<!-- {name}: begin -->\n");
    let end = format!("<!-- {name}: end -->\n");
    let (before, rest) = page.split_once(&begin).unwrap();
    let (was, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("TIDEGATE_BLESS").is_some() {
        std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert!(was == table, "the table in docs/limits.md is behind: TIDEGATE_BLESS=1 cargo test");
}
