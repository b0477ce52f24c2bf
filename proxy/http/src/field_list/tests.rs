use crate::{FieldInvalid, FieldList, Fields};

fn sample() -> FieldList {
    [("Server", "a"), ("X-One", "1"), ("server", "b"), ("Vary", "accept")].into_iter().collect()
}

fn wire(list: &FieldList) -> &str {
    std::str::from_utf8(list.wire()).unwrap()
}

#[test]
fn order_case_and_repetition_are_kept() {
    let list = sample();
    assert_eq!(wire(&list), "Server: a\r\nX-One: 1\r\nserver: b\r\nVary: accept\r\n");
    assert_eq!(list.first("server"), Some(&b"a"[..]));
    assert_eq!(list.joined("server").unwrap().as_ref(), b"a, b");
    assert_eq!((list.count("server"), list.has("vary"), list.has("age")), (2, true, false));
}

#[test]
fn remove_and_set_move_no_other_line() {
    let mut list = sample();
    assert_eq!(list.remove("SERVER"), 2);
    assert_eq!(wire(&list), "X-One: 1\r\nVary: accept\r\n");
    list.set("x-one", "2");
    assert_eq!(wire(&list), "Vary: accept\r\nx-one: 2\r\n");
    list.set_if_absent("vary", "no");
    assert_eq!(list.text("vary"), Some("accept"));
}

#[test]
fn add_extends_the_last_line() {
    let mut list = sample();
    list.add("vary", "cookie");
    assert_eq!(list.text("vary"), Some("accept, cookie"));
    list.add("via", "1.1 edge");
    assert_eq!(list.text("via"), Some("1.1 edge"));
    list.set("empty", "");
    list.add("empty", "x");
    assert_eq!(list.text("empty"), Some("x"));
}

#[test]
fn a_value_cannot_split_a_line() {
    let mut list = FieldList::new();
    list.push("location", "/a\r\nset-cookie: x\0");
    list.push("bad name", "x");
    list.push("", "x");
    assert_eq!(wire(&list), "location: /a  set-cookie: x\r\n");
    assert_eq!(list.try_push("a b", "x"), Err(FieldInvalid::Name));
    assert_eq!(list.try_push("a", "x\ny"), Err(FieldInvalid::Value));
}

#[test]
fn wire_form_reads_back() {
    let list = sample();
    assert_eq!(FieldList::from_wire(list.wire()), Some(list));
    assert_eq!(FieldList::from_wire(b"a: b"), None);
    assert_eq!(FieldList::from_wire(b"a b: c\r\n"), None);
    assert_eq!(FieldList::from_wire(b""), Some(FieldList::new()));
}

#[test]
fn debug_shows_no_values() {
    let list: FieldList = [("authorization", "Bearer secret")].into_iter().collect();
    assert_eq!(format!("{list:?}"), "[\"authorization\"]");
}

proptest::proptest! {
    #[test]
    fn any_lines_stay_separate_lines(lines: Vec<(Vec<u8>, Vec<u8>)>) {
        let list: FieldList = lines.iter().map(|(n, v)| (n, v)).collect();
        let mut wire = list.wire().to_vec();
        wire.extend_from_slice(b"\r\n");
        let mut parsed = vec![httparse::EMPTY_HEADER; lines.len() + 1];
        let parsed = httparse::parse_headers(&wire, &mut parsed).unwrap();
        let httparse::Status::Complete((_, fields)) = parsed else { panic!("cut") };
        proptest::prop_assert_eq!(fields.len(), list.len());
        proptest::prop_assert_eq!(FieldList::from_wire(list.wire()), Some(list));
    }
}
