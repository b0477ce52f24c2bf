use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    crate::encode::hex(text).expect("hex")
}

#[test]
fn values_of_the_rfc_are_read() {
    for (bytes, value) in [
        ("00", Value::Int(0)),
        ("1864", Value::Int(100)),
        ("1b000000e8d4a51000", Value::Int(1_000_000_000_000)),
        ("20", Value::Int(-1)),
        ("3903e7", Value::Int(-1000)),
        ("fa47c35000", Value::Float(100_000.0)),
        ("fb3ff199999999999a", Value::Float(1.1)),
        ("f5", Value::Simple(21)),
        ("4401020304", Value::Bytes(&[1, 2, 3, 4])),
        ("62c3bc", Value::Text("ü")),
        ("83010203", Value::Array(vec![Value::Int(1), Value::Int(2), Value::Int(3)])),
        ("a10102", Value::Map(vec![(Value::Int(1), Value::Int(2))])),
        ("c11a514b67b0", Value::Tag(1, Box::new(Value::Int(1_363_896_240)))),
    ] {
        assert_eq!(read(&hex(bytes)), Some(value), "{bytes}");
    }
}

#[test]
fn what_is_broken_endless_or_too_deep_is_not_read() {
    for bytes in [
        "",
        "18",
        "4401",
        "62c328",
        "9f01ff",
        "a101",
        "a201020103",
        "0000",
        "1c",
        "ff",
        "9bffffffffffffffff",
    ] {
        assert_eq!(read(&hex(bytes)), None, "{bytes}");
    }
    assert!(read(&[&[0x81; 12][..], &[0]].concat()).is_some());
    assert!(read(&[&[0x81; 13][..], &[0]].concat()).is_none());
    assert!(read(&[&[0xc1; 5000][..], &[0]].concat()).is_none());
    let many = [&[0x99, 0x04, 0x00][..], &[0; 1024]].concat();
    assert!(read(&many).is_none());
}

#[test]
fn heads_are_written_as_they_are_read() {
    for argument in [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, 1 << 62] {
        let mut out = Vec::new();
        write_head(0, argument, &mut out);
        assert_eq!(read(&out), Some(Value::Int(argument as i64)));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}

#[test]
fn what_is_written_is_read_again() {
    let value = Value::Tag(
        61,
        Box::new(Value::Map(vec![
            (Value::Int(-8), Value::Array(vec![Value::Bytes(b"ab"), Value::Text("c")])),
            (Value::Int(323), Value::Float(1.5)),
            (Value::Int(70_000), Value::Simple(21)),
        ])),
    );
    let mut bytes = Vec::new();
    write(&value, &mut bytes);
    assert_eq!(read(&bytes), Some(value));
}
