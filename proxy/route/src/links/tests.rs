//! Tests of the link table.

mod model;
mod race;

use super::*;

const SECOND: u64 = 1_000_000;

fn parts<'a>(code: &'a str, location: &'a str) -> RecordParts<'a> {
    let (expires_us, flags, prepared) = (u64::MAX, 0, &[][..]);
    RecordParts { domain: "d", code, status: 302, location, prepared, expires_us, flags }
}

fn record(code: &str, location: &str) -> Record {
    Record::new(&parts(code, location)).unwrap()
}

fn filter(generation: u64, seq: u64, codes: &[&str]) -> Filter {
    let mut filter = Filter::new(generation, seq, 1_000, 1e-6);
    codes.iter().for_each(|code| filter.insert("d", code));
    filter
}

fn op(code: &str) -> Op<'_> {
    Op { domain: "d", code }
}

/// A table with one generation at change 10, confirmed at one second.
fn table(codes: &[&str]) -> Table {
    let table = Table::new(Limits::default());
    table.replace(filter(1, 10, codes));
    table.confirm(10, SECOND);
    table
}

fn ask(table: &Table, code: &str, now_us: u64) -> Ticket {
    match table.lookup("d", code, now_us) {
        Lookup::Ask(ticket) => ticket,
        other => panic!("{code}: {other:?}"),
    }
}

fn is_unknown(table: &Table, code: &str, now_us: u64) -> bool {
    matches!(table.lookup("d", code, now_us), Lookup::Unknown)
}

fn leads_to(table: &Table, code: &str, now_us: u64) -> Option<String> {
    match table.lookup("d", code, now_us) {
        Lookup::Redirect(record) => Some(record.location().to_owned()),
        Lookup::Unknown | Lookup::Ask(_) => None,
    }
}

#[test]
fn without_a_filter_everything_is_asked_for() {
    let table = Table::new(Limits::default());
    ask(&table, "a", SECOND);
    table.confirm(0, SECOND);
    ask(&table, "a", SECOND);
}

#[test]
fn a_code_in_neither_filter_nor_delta_is_unknown() {
    let table = table(&["a"]);
    assert!(is_unknown(&table, "b", SECOND));
    ask(&table, "a", SECOND);
    assert!(matches!(table.lookup("other", "a", SECOND), Lookup::Unknown), "the domain counts");
}

#[test]
fn nothing_is_unknown_while_the_table_lags() {
    let table = table(&["a"]);
    assert!(is_unknown(&table, "b", 3 * SECOND));
    ask(&table, "b", 3 * SECOND + 1);
    table.confirm(11, 4 * SECOND);
    ask(&table, "b", 4 * SECOND);
    table.apply(10, 11, &[op("x")]).unwrap();
    table.confirm(11, 4 * SECOND);
    assert!(is_unknown(&table, "b", 4 * SECOND));
}

#[test]
fn a_new_code_is_asked_for_at_once() {
    let table = table(&[]);
    assert!(is_unknown(&table, "new", SECOND));
    table.apply(10, 11, &[op("new")]).unwrap();
    let ticket = ask(&table, "new", SECOND);
    table.learn(ticket, record("new", "/1"), SECOND);
    assert_eq!(leads_to(&table, "new", SECOND).as_deref(), Some("/1"));
}

#[test]
fn a_change_forgets_what_was_learned() {
    let table = table(&["a"]);
    let before = ask(&table, "a", SECOND);
    table.learn(before, record("a", "/1"), SECOND);
    table.apply(10, 11, &[op("a")]).unwrap();
    assert_eq!(leads_to(&table, "a", SECOND), None);
    table.learn(before, record("a", "/1"), SECOND);
    assert_eq!(leads_to(&table, "a", SECOND), None, "an answer from before the change is not kept");
    table.learn(ask(&table, "a", SECOND), record("a", "/2"), SECOND);
    assert_eq!(leads_to(&table, "a", SECOND).as_deref(), Some("/2"));
}

#[test]
fn links_end_when_they_say_and_are_asked_for_again_after_a_while() {
    let table = table(&["a", "b"]);
    let ends = RecordParts { expires_us: 5 * SECOND, ..parts("a", "/1") };
    let ends = Record::new(&ends).unwrap();
    table.learn(ask(&table, "a", SECOND), ends, SECOND);
    assert!(leads_to(&table, "a", 5 * SECOND - 1).is_some());
    assert!(leads_to(&table, "a", 5 * SECOND).is_none());
    table.learn(ask(&table, "b", SECOND), record("b", "/1"), SECOND);
    assert!(leads_to(&table, "b", 300 * SECOND).is_some());
    assert!(leads_to(&table, "b", 301 * SECOND).is_none());
}

#[test]
fn a_false_positive_is_remembered_from_the_second_miss_on() {
    let table = table(&["a"]);
    for miss in 0..2 {
        let ticket = ask(&table, "a", SECOND);
        table.missed(ticket, "d", "a", SECOND);
        assert_eq!(is_unknown(&table, "a", SECOND), miss == 1);
    }
    table.confirm(10, 31 * SECOND);
    assert!(!is_unknown(&table, "a", 31 * SECOND), "30 seconds are over");
    table.confirm(10, 30 * SECOND);
    table.apply(10, 11, &[op("a")]).unwrap();
    assert!(!is_unknown(&table, "a", 30 * SECOND), "the code was made meanwhile");
}

#[test]
fn missing_changes_are_a_gap() {
    let table = table(&[]);
    assert_eq!(table.apply(11, 12, &[op("x")]), Err(Gap { have: 10, after: 11 }));
    assert_eq!(table.apply(9, 10, &[op("x")]), Ok(()), "applied already");
    assert!(is_unknown(&table, "x", SECOND));
    assert_eq!(table.apply(9, 11, &[op("y"), op("z")]), Ok(()), "a part of it is new");
    assert_eq!(table.state().seq, 11);
}

#[test]
fn a_generation_takes_over_the_delta() {
    let table = table(&[]);
    table.apply(10, 12, &[op("a"), op("b")]).unwrap();
    table.apply(12, 13, &[op("c")]).unwrap();
    assert_eq!(table.state().delta_codes, 3);
    table.replace(filter(2, 12, &["a", "b"]));
    assert_eq!(table.state().delta_codes, 1);
    assert_eq!(table.state().seq, 13);
    table.confirm(13, SECOND);
    for code in ["a", "b", "c"] {
        ask(&table, code, SECOND);
    }
    table.replace(filter(1, 20, &[]));
    assert_eq!(table.state().generation, 2, "an older one is ignored");
}

#[test]
fn a_generation_that_jumps_ahead_forgets_what_was_learned() {
    let table = table(&["a"]);
    let before = ask(&table, "a", SECOND);
    table.learn(before, record("a", "/1"), SECOND);
    table.replace(filter(2, 50, &["a"]));
    assert_eq!(leads_to(&table, "a", SECOND), None);
    table.learn(before, record("a", "/1"), SECOND);
    assert_eq!(leads_to(&table, "a", SECOND), None);
    assert_eq!(table.state().seq, 50);
}

#[test]
fn a_record_holds_what_it_is_made_from() {
    let parts = RecordParts {
        domain: "go.example",
        code: "a-é",
        status: 308,
        location: "https://example.com/?q=1",
        prepared: b"\r\nx",
        expires_us: 7,
        flags: 9,
    };
    let record = Record::new(&parts).unwrap();
    assert_eq!((record.domain(), record.code()), (parts.domain, parts.code));
    assert_eq!((record.status(), record.location()), (308, parts.location));
    assert_eq!((record.prepared(), record.expires_us(), record.flags()), (parts.prepared, 7, 9));
    let long = "x".repeat(70_000);
    assert!(Record::new(&RecordParts { code: &long, ..parts }).is_none());
    assert_eq!(Record::new(&RecordParts { location: &long, ..parts }).unwrap().location(), long);
}

#[test]
fn a_reset_table_knows_nothing() {
    let table = table(&["a"]);
    table.learn(ask(&table, "a", SECOND), record("a", "/1"), SECOND);
    table.reset();
    ask(&table, "a", SECOND);
    ask(&table, "b", SECOND);
    assert_eq!(table.state(), State::default());
}

#[test]
fn the_hot_map_stays_within_its_bytes() {
    let limits = Limits { hot_bytes_max: 100_000, ..Limits::default() };
    let table = Table::new(limits);
    for n in 0..5_000 {
        let code = format!("c{n}");
        table.learn(
            ask(&table, &code, SECOND),
            record(&code, "https://example.com/somewhere"),
            SECOND,
        );
    }
    let state = table.state();
    assert!(state.hot_bytes <= 100_000 && state.hot_links > 100, "{state:?}");
}

#[test]
fn the_form_in_bytes_is_fixed() {
    let mut filter = Filter::new(7, 9, 1_000, 0.01);
    filter.insert("default", "abc1234");
    let bytes = filter.to_bytes();
    assert_eq!(&bytes[..8], b"TGLINKS\x01");
    let again = Filter::from_bytes(&bytes).unwrap();
    assert_eq!((again.generation(), again.seq(), again.codes()), (7, 9, 1));
    assert!(again.may_have("default", "abc1234") && !again.may_have("default", "abc1235"));
    // What one machine built, every other must read: these bits must never move.
    let set: Vec<usize> = (32 + 45..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    assert_eq!(set, FIXED_BITS, "the hash changed: that is a new version of the format");
}

/// Bytes with a bit set for `default` / `abc1234` in a filter for 1,000 codes at 1%.
const FIXED_BITS: [usize; 7] = [89, 377, 681, 697, 972, 985, 1182];

#[test]
fn damaged_filters_are_refused() {
    let bytes = filter(1, 1, &["a"]).to_bytes();
    assert_eq!(Filter::from_bytes(b"").unwrap_err(), FilterInvalid::Damaged("too short"));
    assert!(Filter::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    let mut other = bytes.clone();
    other[7] = 2;
    assert_eq!(Filter::from_bytes(&other).unwrap_err(), FilterInvalid::Magic);
    let mut hashes = bytes;
    hashes[32 + 9..32 + 13].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        Filter::from_bytes(&hashes).unwrap_err(),
        FilterInvalid::Damaged("too many hash functions")
    );
}

#[test]
fn few_unknown_codes_pass_by_chance() {
    let mut filter = Filter::new(1, 1, 20_000, 0.004);
    (0..20_000).for_each(|n| filter.insert("d", &format!("in{n}")));
    assert!((0..20_000).all(|n| filter.may_have("d", &format!("in{n}"))), "never too few");
    let passed = (0..20_000).filter(|n| filter.may_have("d", &format!("out{n}"))).count();
    assert!(passed < 160, "{passed} of 20000, 80 expected");
}
