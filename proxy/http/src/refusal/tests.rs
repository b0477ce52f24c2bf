use std::{collections::HashSet, fmt::Write};

use super::Refusal;

/// `TIDEGATE_BLESS=1 cargo test -p tidegate-http` writes the table in the page anew.
#[test]
fn the_page_in_docs_holds_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/refusals.md");
    let written = std::fs::read_to_string(path).unwrap();
    let heading = "| status | reason | what is wrong |\n|---|---|---|\n";
    let (prose, _) = written.split_once(heading).expect("the page has a table");
    let mut page = format!("{prose}{heading}");
    for refusal in Refusal::ALL {
        let Refusal { status, reason, detail } = refusal;
        writeln!(page, "| {status} | `{reason}` | {detail} |").unwrap();
    }
    if std::env::var_os("TIDEGATE_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert!(written == page, "docs/refusals.md is behind the table: TIDEGATE_BLESS=1 cargo test");
}

#[test]
fn no_word_stands_twice_and_every_status_has_a_phrase() {
    let words: HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.reason).collect();
    assert_eq!(words.len(), Refusal::ALL.len());
    for refusal in Refusal::ALL {
        assert!(!crate::reason_phrase(refusal.status).is_empty(), "{refusal}");
    }
}
