use super::*;

#[test]
fn words_are_unique_tokens() {
    let mut words: Vec<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
    assert!(words.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Reason::ALL.len());
}
