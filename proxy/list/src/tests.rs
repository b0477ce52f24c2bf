use proptest::prelude::*;

use super::{Kind, List};

fn addresses(entries: &[&str]) -> List {
    List::new(Kind::Address, entries.iter().copied()).unwrap()
}

#[test]
fn addresses_match_by_their_networks() {
    let list =
        addresses(&["192.0.2.0/24", " 2001:db8::/32 ", "203.0.113.7", "::ffff:198.51.100.1"]);
    for inside in [
        "192.0.2.0",
        "192.0.2.255",
        "::ffff:192.0.2.1",
        "2001:db8:1::1",
        "203.0.113.7",
        "198.51.100.1",
    ] {
        assert!(list.holds(inside.as_bytes()), "{inside}");
    }
    for outside in ["192.0.3.0", "192.0.1.255", "2001:db9::", "203.0.113.8", "", "words", "\u{e9}"]
    {
        assert!(!list.holds(outside.as_bytes()), "{outside}");
    }
    assert_eq!(list.entries(), 4);
}

#[test]
fn the_widest_network_holds_everything_of_its_family() {
    let list = addresses(&["0.0.0.0/0"]);
    assert!(list.holds(b"198.51.100.1") && !list.holds(b"2001:db8::1"));
    let list = addresses(&["::/0"]);
    assert!(list.holds(b"198.51.100.1") && list.holds(b"ffff::1"));
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let wrong = |kind, text: &str| List::read(kind, text).unwrap_err();
    let found = wrong(Kind::Address, "# a comment\n192.0.2.1 # one\n\n192.0.2.0/33\n");
    assert_eq!((found.place, found.message.contains("at most 32 bits")), (4, true), "{found}");
    for entry in ["192.0.2.1/24", "2001:db8::/129", "host", "192.0.2.0/", "192.0.2.0/-1"] {
        assert_eq!(wrong(Kind::Address, entry).place, 1, "{entry}");
    }
    assert!(wrong(Kind::Hash, "00112233445566").message.contains("16 to 128"));
    assert!(wrong(Kind::Hash, "001122334455667").message.contains("16 to 128"));
    assert!(wrong(Kind::Hash, "0011223344556677\n001122334455667788").message.contains("before"));
    assert!(wrong(Kind::Hash, "00112233445566xy").message.contains("not hex"));
    let long = "x".repeat(1_025);
    assert_eq!(List::new(Kind::Text, ["a", &long]).unwrap_err().place, 1);
}

#[test]
fn hashes_are_asked_in_hex_or_as_bytes() {
    let text = "00112233445566FF\nffeeddccbbaa9988\n00112233445566ff\n";
    let list = List::read(Kind::Hash, text).unwrap();
    assert!(list.holds(b"00112233445566ff") && list.holds(b"FFEEDDCCBBAA9988"));
    assert!(list.holds(&[0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0xff]));
    assert!(
        !list.holds(b"00112233445566fe") && !list.holds(b"") && !list.holds(b"00112233445566fx")
    );
    assert_eq!((list.entries(), list.bytes()), (3, 16));
    assert!(!List::new(Kind::Hash, []).unwrap().holds(b""));
}

#[test]
fn texts_are_compared_as_they_are() {
    let list = List::read(Kind::Text, "bad.example\nWorse.example\t# why\na#b\n").unwrap();
    assert!(list.holds(b"a#b"));
    assert!(list.holds(b"bad.example") && list.holds(b"Worse.example"));
    assert!(!list.holds(b"worse.example") && !list.holds(b"bad") && !list.holds(b"\xff"));
}

#[test]
fn a_kind_is_guessed_from_all_entries() {
    assert_eq!(List::guess(["192.0.2.1", "2001:db8::/32"]), Kind::Address);
    assert_eq!(List::guess(["192.0.2.1", "host"]), Kind::Text);
}

#[test]
fn entries_and_a_file_make_one_list() {
    let list = List::both(Kind::Text, ["a"], "b\n").unwrap();
    assert!(list.holds(b"a") && list.holds(b"b"));
    let (in_file, wrong) = List::both(Kind::Address, ["192.0.2.1"], "\nx\n").unwrap_err();
    assert_eq!((in_file, wrong.place), (true, 2));
    let (in_file, wrong) = List::both(Kind::Address, ["192.0.2.1", "x"], "").unwrap_err();
    assert_eq!((in_file, wrong.place), (false, 1));
}

proptest! {
    /// Merged ranges say what the networks say one by one.
    #[test]
    fn merged_networks_hold_what_each_holds(
        networks in prop::collection::vec((any::<u32>(), 20_u8..=32), 1..40),
        probes in prop::collection::vec(any::<(usize, u32)>(), 40),
    ) {
        let cut = |bits: u32, length: u8| bits & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        let text = |bits: u32| std::net::Ipv4Addr::from(bits).to_string();
        let networks: Vec<(u32, u8)> =
            networks.into_iter().map(|(bits, length)| (cut(bits & 0xfff, length), length)).collect();
        let entries: Vec<String> =
            networks.iter().map(|(bits, length)| format!("{}/{length}", text(*bits))).collect();
        let list = List::new(Kind::Address, entries.iter().map(String::as_str)).unwrap();
        for (at, offset) in probes {
            let near = networks[at % networks.len()].0.wrapping_add(offset % 8_192).wrapping_sub(4_096);
            let held = networks.iter().any(|(bits, length)| cut(near, *length) == *bits);
            prop_assert_eq!(list.holds(text(near).as_bytes()), held);
        }
    }

    /// No bytes make a question fail.
    #[test]
    fn any_bytes_may_be_asked(value in prop::collection::vec(any::<u8>(), 0..80)) {
        for list in [
            addresses(&["192.0.2.0/24"]),
            List::new(Kind::Hash, ["00112233445566ff"]).unwrap(),
            List::new(Kind::Text, ["a"]).unwrap(),
        ] {
            let _ = list.holds(&value);
        }
    }
}
