use super::TraceParent;
use crate::FieldList;

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn what_is_read_is_written_again() {
    let parent = TraceParent::parse(GIVEN.as_bytes()).unwrap();
    assert_eq!(parent.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    assert_eq!((parent.span, parent.flags), (0x00f0_67aa_0ba9_02b7, 1));
    assert_eq!(parent.text(), GIVEN);
}

#[test]
fn a_later_version_may_say_more() {
    let later = format!("cc{}-what-the-future-brings", &GIVEN[2..]);
    assert!(TraceParent::parse(later.as_bytes()).is_some());
    assert!(TraceParent::parse(format!("cc{}.x", &GIVEN[2..]).as_bytes()).is_none());
}

#[test]
fn malformed_ones_are_none() {
    let zero_trace = format!("00-{:032}-00f067aa0ba902b7-01", 0);
    let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016}-01", 0);
    let wrong = [
        "",
        "00",
        &GIVEN[..54],
        &GIVEN.to_uppercase(),
        &GIVEN.replace("00-4", "ff-4"),
        &format!("{GIVEN}-more"),
        &GIVEN.replace("4b", "4g"),
        &GIVEN.replace("-00f", "000f"),
        &zero_trace,
        &zero_span,
    ];
    for text in wrong {
        assert_eq!(TraceParent::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn two_lines_are_none() {
    let mut fields = FieldList::new();
    fields.push("traceparent", GIVEN);
    assert!(TraceParent::of(&fields).is_some());
    fields.push("traceparent", GIVEN);
    assert_eq!(TraceParent::of(&fields), None);
}
