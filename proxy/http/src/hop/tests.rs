use super::{is_hop_by_hop, strip_hop_by_hop, tokens};
use crate::{FieldList, Fields};

#[test]
fn fields_named_by_connection_are_stripped_with_the_fixed_ones() {
    let mut fields: FieldList = [
        ("Connection", "X-Secret , keep-alive"),
        ("connection", "x-other"),
        ("Keep-Alive", "timeout=5"),
        ("X-Secret", "1"),
        ("X-Other", "2"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Content-Type", "text/plain"),
    ]
    .into_iter()
    .collect();
    strip_hop_by_hop(&mut fields);
    assert_eq!(fields.wire(), b"Content-Type: text/plain\r\n");
    assert!(fields.has("content-type"));
}

#[test]
fn a_name_inside_another_word_is_not_named() {
    assert!(!is_hop_by_hop(b"secret", b"x-secret, secret-x"));
    assert!(is_hop_by_hop(b"SECRET", b"x, secret"));
}

#[test]
fn empty_members_are_left_out() {
    let members: Vec<_> = tokens(b" a, ,\tb ,").collect();
    assert_eq!(members, [b"a", b"b"]);
}
