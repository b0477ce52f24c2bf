use super::Known;

#[test]
fn every_name_is_found_in_any_case() {
    for known in Known::ALL {
        let word = known.as_str();
        assert_eq!(Known::lookup(word.as_bytes()), Some(*known), "{word}");
        assert_eq!(Known::lookup(word.to_uppercase().as_bytes()), Some(*known), "{word}");
        assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
    }
}

#[test]
fn a_name_with_one_byte_changed_is_not_found() {
    for known in Known::ALL {
        let word = known.as_str().as_bytes();
        for at in 0..word.len() {
            for byte in b'!'..=b'~' {
                let mut name = word.to_vec();
                name[at] = byte;
                let same = name.eq_ignore_ascii_case(word);
                if !same && crate::field_list::is_token(&name) {
                    let found = Known::lookup(&name).map(Known::as_str);
                    assert!(found.is_none_or(|found| found.as_bytes() == name), "{name:?}");
                }
            }
        }
        assert_eq!(Known::lookup(&word[1..]), None);
    }
    assert_eq!(Known::lookup(b""), None);
}
