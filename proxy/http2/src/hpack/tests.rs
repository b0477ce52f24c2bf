//! The examples of RFC 7541 appendix C, the rules that a decoder must enforce, and the Huffman code
//! beside a slow decoder of it.

use super::*;

const LIMITS: SectionLimits = SectionLimits { bytes_max: 4096, lines_max: 64 };

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte| (byte as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn lines(decoder: &Decoder) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let arena = decoder.arena();
    decoder.lines().iter().map(|line| (text(line.name(arena)), text(line.value(arena)))).collect()
}

fn expect(decoder: &mut Decoder, block: &str, expected: &str) {
    assert_eq!(decoder.decode(&hex(block)), Ok(Outcome::Complete));
    let expected: Vec<_> = expected
        .lines()
        .map(|line| line.trim().split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(lines(decoder), expected);
}

fn decoder() -> Decoder {
    Decoder::new(TABLE_BYTES_DEFAULT, LIMITS)
}

fn refused(blocks: &[&str]) -> Broken {
    let mut decoder = decoder();
    let (last, before) = blocks.split_last().unwrap();
    for block in before {
        assert!(decoder.decode(&hex(block)).is_ok());
    }
    decoder.decode(&hex(last)).unwrap_err()
}

#[test]
fn c_1_integers() {
    for (value, bits, bytes) in
        [(10, 5, &[0x0a][..]), (1337, 5, &[0x1f, 0x9a, 0x0a]), (42, 8, &[0x2a])]
    {
        let mut out = Vec::new();
        integer::write(&mut out, 0, bits, value);
        assert_eq!(out, bytes);
        assert_eq!(integer::read(&mut &out[..], bits), Ok(value));
    }
    assert!(integer::read(&mut &[0x1f, 0xff, 0xff, 0xff, 0xff, 0x01][..], 5).is_err());
    assert!(integer::read(&mut &[0x1f, 0x80][..], 5).is_err());
}

#[test]
fn c_2_single_fields() {
    expect(
        &mut decoder(),
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        "custom-key: custom-header",
    );
    expect(&mut decoder(), "040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path");
    expect(&mut decoder(), "1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret");
    expect(&mut decoder(), "82", ":method: GET");
}

const REQUESTS: [&str; 3] = [
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com",
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache",
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n\
     custom-key: custom-value",
];

#[test]
fn c_3_requests_without_huffman() {
    let mut decoder = decoder();
    expect(&mut decoder, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUESTS[0]);
    expect(&mut decoder, "8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1]);
    expect(
        &mut decoder,
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        REQUESTS[2],
    );
    assert_eq!(decoder.table_bytes(), 164);
}

#[test]
fn c_4_requests_with_huffman() {
    let mut decoder = decoder();
    expect(&mut decoder, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0]);
    expect(&mut decoder, "8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1]);
    expect(
        &mut decoder,
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        REQUESTS[2],
    );
    assert_eq!(decoder.table_bytes(), 164);
}

#[test]
fn c_6_responses_with_huffman_in_a_small_table() {
    let mut decoder = decoder();
    assert_eq!(decoder.decode(&hex("3fe1 01")), Ok(Outcome::Complete));
    let first = ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n\
                 location: https://www.example.com";
    expect(
        &mut decoder,
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e \
         919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        first,
    );
    assert_eq!(decoder.table_bytes(), 222);
    expect(&mut decoder, "4883 640e ffc1 c0bf", &first.replace("302", "307"));
    assert_eq!(decoder.table_bytes(), 222);
    expect(
        &mut decoder,
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
         821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
         4ee5 b106 3d50 07",
        ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n\
         location: https://www.example.com\ncontent-encoding: gzip\n\
         set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    );
    assert_eq!(decoder.table_bytes(), 215);
}

#[test]
fn what_breaks_the_state_is_refused() {
    let name = |blocks: &[&str]| match refused(blocks) {
        Broken::Invalid(detail) => detail,
        Broken::Bomb => "bomb",
    };
    assert!(name(&["80"]).contains("index 0"));
    assert!(name(&["be"]).contains("does not have"));
    assert!(name(&["7f 00 0161"]).contains("does not have"));
    assert!(name(&["40 01"]).contains("longer than its field block"));
    assert!(name(&["82 20"]).contains("after a field"));
    assert!(name(&["3fe2 1f"]).contains("exceeds the setting"));
    assert!(name(&["3fff ffff ffff"]).contains("too large"));
    assert!(name(&["04 82 ffff"]).contains("padding"));
    assert!(name(&["04 81 00"]).contains("padding"));
    assert!(name(&["04 84 ffff fffc"]).contains("EOS"));
    // An entry that a size update has evicted.
    assert!(name(&["400161 0162", "20 be"]).contains("does not have"));
}

#[test]
fn a_smaller_table_is_to_be_acknowledged() {
    let mut decoder = Decoder::new(100, LIMITS);
    expect(&mut decoder, "82", ":method: GET");
    decoder.settle(100);
    assert!(matches!(decoder.decode(&hex("82")), Err(Broken::Invalid(_))));
    let mut decoder = Decoder::new(100, LIMITS);
    decoder.settle(100);
    expect(&mut decoder, "3f45 82", ":method: GET");
    assert!(decoder.decode(&hex("3f46 82")).is_err());
}

#[test]
fn an_evicted_entry_stays_readable_within_its_block() {
    let mut decoder = decoder();
    // A table of 70 bytes holds two entries of 34.
    assert!(decoder.decode(&hex("3f27 400161 0131 400162 0132")).is_ok());
    expect(&mut decoder, "bf 400163 0133 400164 0134 be", "a: 1\nc: 3\nd: 4\nd: 4");
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = decoder();
    expect(&mut decoder, "400161 0131", "a: 1");
    let mut block = vec![0x40, 1, b'b'];
    integer::write(&mut block, 0, 7, 4090);
    block.extend(vec![b'x'; 4090]);
    assert_eq!(decoder.decode(&block), Ok(Outcome::Complete));
    assert_eq!(decoder.table_bytes(), 0);
    assert!(decoder.decode(&hex("be")).is_err());
}

#[test]
fn a_section_too_large_keeps_the_table_right() {
    let mut decoder = decoder();
    let mut block = hex("400161 0131");
    block.extend(vec![0xbe; 100]);
    assert_eq!(decoder.decode(&block), Ok(Outcome::TooLarge));
    assert_eq!(decoder.lines().len(), LIMITS.lines_max);
    expect(&mut decoder, "be", "a: 1");
}

#[test]
fn copying_a_name_again_and_again_is_a_bomb() {
    let mut decoder = decoder();
    let mut block = vec![0x40];
    integer::write(&mut block, 0, 7, 2000);
    block.extend(vec![b'x'; 2000]);
    block.push(0);
    for _ in 0..8000 {
        block.extend([0x7e, 0]);
    }
    assert_eq!(decoder.decode(&block), Err(Broken::Bomb));
    assert!(decoder.heap_bytes() < 64 * 1024);
}

#[test]
fn the_arena_stays_small_and_the_table_right() {
    let mut decoder = decoder();
    for round in 0..2000 {
        let value = format!("{round:06}");
        let mut block = vec![0x40, 1, b'n', 6];
        block.extend(value.bytes());
        // A literal that enters no table, and the first entry that is left.
        block.extend([0x00, 1, b'p', 30]);
        block.extend([b'y'; 30]);
        integer::write(&mut block, 0x80, 7, 61 + 1 + round.min(104));
        assert_eq!(decoder.decode(&block), Ok(Outcome::Complete));
        let lines = lines(&decoder);
        assert_eq!(lines[0].1, value);
        assert_eq!(lines[2].1, format!("{:06}", round - round.min(104)));
        assert!(decoder.arena().len() < 16 * 1024);
        if round % 500 == 0 {
            decoder.relax();
        }
    }
    decoder.relax();
    assert!(decoder.heap_bytes() < 8 * 1024);
}

#[test]
fn huffman_round_trip_of_every_byte() {
    for first in 0..=255 {
        for length in 0..9 {
            let text: Vec<u8> = (0..length).map(|i: u8| first ^ i.wrapping_mul(37)).collect();
            let mut coded = Vec::new();
            huffman::encode(&text, &mut coded);
            assert_eq!(coded.len(), huffman::encoded_len(&text));
            let mut back = vec![1, 2, 3];
            assert_eq!(huffman::decode(&coded, &mut back), Ok(()));
            assert_eq!(back[3..], text);
        }
    }
}

/// One bit after the other: slow and plain.
fn huffman_slowly(input: &[u8]) -> Option<Vec<u8>> {
    let mut codes = std::collections::HashMap::new();
    for byte in 0..=255_u8 {
        codes.insert(huffman::code(usize::from(byte)), byte);
    }
    let (mut out, mut code, mut length) = (Vec::new(), 0_u32, 0_u32);
    for bit in input.iter().flat_map(|byte| (0..8).rev().map(move |i| u32::from(byte >> i & 1))) {
        (code, length) = (code << 1 | bit, length + 1);
        if let Some(byte) = codes.get(&(length, code)) {
            out.push(*byte);
            (code, length) = (0, 0);
        } else if length >= 30 {
            return None;
        }
    }
    (length < 8 && code == (1 << length) - 1).then_some(out)
}

#[test]
fn huffman_agrees_with_a_slow_decoder() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut taken = 0;
    for _ in 0..20_000 {
        let length = next() % 20;
        // Ones make long codes and padding more likely.
        let input: Vec<u8> = (0..length)
            .map(|_| if next() % 3 == 0 { 0xff } else { (next() >> 20) as u8 })
            .collect();
        let mut fast = Vec::new();
        let result = huffman::decode(&input, &mut fast).is_ok().then_some(fast);
        taken += usize::from(result.is_some());
        assert_eq!(result, huffman_slowly(&input), "{input:x?}");
    }
    assert!(taken > 1000);
}
