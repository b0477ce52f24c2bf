use super::{decode, encode, is_clean};
use crate::status::Status;

fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![9];
    let each = |visit: &mut dyn FnMut(&[u8], &[u8])| {
        pairs.iter().for_each(|(name, value)| visit(name.as_bytes(), value.as_bytes()));
    };
    encode(&mut out, each);
    out
}

#[test]
fn a_map_reads_back_as_written() {
    let bytes = encoded(&[("a", "1"), ("Bc", ""), ("a", "2")]);
    assert_eq!(&bytes[..4], &3u32.to_le_bytes());
    let pairs = decode(&bytes).unwrap();
    let expected: Vec<(Vec<u8>, Vec<u8>)> =
        [("a", "1"), ("bc", ""), ("a", "2")].map(|(n, v)| (n.into(), v.into())).into();
    assert_eq!(pairs, expected);
}

#[test]
fn an_empty_map_is_nothing_or_one_nul() {
    assert_eq!(encoded(&[]), b"");
    assert_eq!(decode(b""), Ok(vec![]));
    assert_eq!(decode(b"\0"), Ok(vec![]));
}

#[test]
fn a_cut_map_is_refused() {
    let bytes = encoded(&[("name", "value"), ("other", "one")]);
    for length in 1..bytes.len() {
        assert_eq!(decode(&bytes[..length]), Err(Status::BadArgument), "{length} bytes");
    }
}

#[test]
fn wild_sizes_are_refused() {
    assert_eq!(decode(&[0xff; 64]), Err(Status::BadArgument));
    let mut bytes = encoded(&[("name", "value")]);
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(decode(&bytes), Err(Status::BadArgument));
}

#[test]
fn line_breaks_and_strange_names_are_not_clean() {
    assert!(is_clean(b"x-a", b"1 2\t3"));
    assert!(is_clean(b":path", b"/"));
    for (name, value) in [(&b"x a"[..], &b"1"[..]), (b"", b"1"), (b":", b"1"), (b"x", b"1\r\nb: 2")]
    {
        assert!(!is_clean(name, value));
    }
}
