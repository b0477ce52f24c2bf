use super::{Decoder, EXTENSION_BYTES_MAX, Step, TRAILER_BYTES_MAX, write_chunk_head, write_end};
use crate::{FieldList, Refusal};

/// Feeds `wire` in pieces of `piece` bytes; gives the content, the decoder and what is left over.
fn decode(wire: &[u8], piece: usize) -> Result<(Vec<u8>, Decoder, usize), Refusal> {
    let mut decoder = Decoder::new();
    let (mut content, mut at) = (Vec::new(), 0);
    while at < wire.len() && !decoder.is_done() {
        let input = &wire[at..wire.len().min(at + piece)];
        match decoder.decode(input)? {
            Step::More { consumed } => {
                assert_eq!(consumed, input.len());
                at += consumed;
            }
            Step::Data { consumed, data } => {
                assert!(!data.is_empty() && data.end == consumed);
                content.extend_from_slice(&input[data]);
                at += consumed;
            }
            Step::End { consumed } => at += consumed,
        }
    }
    // The end shows at once when the last byte is there.
    if let Step::End { consumed } = decoder.decode(b"")? {
        assert_eq!(consumed, 0);
    }
    Ok((content, decoder, wire.len() - at))
}

fn check(wire: &str, want: Result<&str, Refusal>) {
    for piece in [1, 2, 3, 7, usize::MAX / 2] {
        let got = decode(wire.as_bytes(), piece);
        match (&got, &want) {
            (Ok((content, decoder, _)), Ok(want)) => {
                assert_eq!(content, want.as_bytes(), "{wire:?}");
                assert!(decoder.is_done(), "{wire:?} is not ended");
            }
            (Err(got), Err(want)) => assert_eq!(got, want, "{wire:?}"),
            _ => panic!("{wire:?} in pieces of {piece}: want {want:?}, ended {}", got.is_ok()),
        }
    }
}

#[test]
fn content_comes_out_whole_in_pieces_of_any_size() {
    check("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", Ok("hello world"));
    check("0\r\n\r\n", Ok(""));
    check("000000000000000A\r\n0123456789\r\n00\r\n\r\n", Ok("0123456789"));
}

#[test]
fn the_next_message_is_not_touched() {
    let wire = b"1\r\na\r\n0\r\n\r\nGET /";
    assert_eq!(decode(wire, wire.len()).unwrap().2, 5);
    let wire = b"0\r\nX: y\r\n\r\nGET /";
    assert_eq!(decode(wire, 3).unwrap().2, 5);
}

#[test]
fn sizes_that_another_parser_reads_differently() {
    for wire in [
        "\r\n",
        "g\r\n",
        "0x5\r\n",
        "-1\r\n",
        "+1\r\n",
        " 5\r\n",
        "5 \r\nhello",
        "5 x\r\n",
        "5\0\r\n",
        "5,\r\n",
        "10000000000000000\r\n",
        "00000000000000005\r\n",
        ";x\r\n",
    ] {
        check(wire, Err(Refusal::CHUNK_SIZE));
    }
    check("5\nhello", Err(Refusal::BARE_LF));
    check("\n", Err(Refusal::BARE_LF));
    check("5\rhello", Err(Refusal::BARE_CR));
}

#[test]
fn data_must_end_where_it_says() {
    check("5\r\nhello0\r\n\r\n", Err(Refusal::CHUNK_END));
    check("5\r\nhello\n0\r\n\r\n", Err(Refusal::CHUNK_END));
    check("5\r\nhello\r0\r\n\r\n", Err(Refusal::CHUNK_END));
}

#[test]
fn extensions_are_passed_over_within_bounds() {
    check("5;a=b;c=\"d e\"\r\nhello\r\n0;last\r\n\r\n", Ok("hello"));
    check("5 \t;a\r\nhello\r\n0\r\n\r\n", Ok("hello"));
    check("5;a\nb\r\nhello", Err(Refusal::CHUNK_EXTENSION));
    check("5;a\0\r\n", Err(Refusal::CHUNK_EXTENSION));
    check("5;a\rb", Err(Refusal::BARE_CR));
    check(&format!("5;{}\r\n", "a".repeat(EXTENSION_BYTES_MAX)), Err(Refusal::CHUNK_EXTENSION));
    let most = format!("1;{}\r\na\r\n", "e".repeat(EXTENSION_BYTES_MAX - 1));
    check(&format!("{}0\r\n\r\n", most.repeat(64)), Ok(&"a".repeat(64)));
    check(&format!("{}0\r\n\r\n", most.repeat(65)), Err(Refusal::CHUNK_EXTENSION));
}

#[test]
fn trailers_are_kept_but_for_those_that_must_not_come_late() {
    let wire = b"0\r\nGrpc-Status: 0\r\nContent-Length: 5\r\nX-Sum: a b\r\nHost: x\r\n\r\n";
    for piece in [1, 5, 1000] {
        let (_, decoder, _) = decode(wire, piece).unwrap();
        assert_eq!(decoder.trailers().wire(), b"Grpc-Status: 0\r\nX-Sum: a b\r\n");
    }
}

#[test]
fn trailers_are_as_strict_as_fields() {
    check("0\r\nX : a\r\n\r\n", Err(Refusal::TRAILER_INVALID));
    check("0\r\nX: a\r\n b\r\n\r\n", Err(Refusal::TRAILER_INVALID));
    check("0\r\nX: a\rb\r\n\r\n", Err(Refusal::TRAILER_INVALID));
    check("0\r\nX: a\0\r\n\r\n", Err(Refusal::TRAILER_INVALID));
    check("0\r\nX: a\n\r\n", Err(Refusal::BARE_LF));
    check("0\r\n\n", Err(Refusal::BARE_LF));
    check("0\r\nno colon\r\n\r\n", Err(Refusal::TRAILER_INVALID));
    let long = format!("0\r\nX: {}\r\n\r\n", "a".repeat(TRAILER_BYTES_MAX));
    check(&long, Err(Refusal::TRAILER_TOO_LARGE));
    check(&format!("0\r\n{}\r\n", "X: a\r\n".repeat(65)), Err(Refusal::TRAILER_TOO_LARGE));
}

#[test]
fn a_cut_body_never_ends() {
    let wire = b"5\r\nhello\r\n0\r\nX: y\r\n\r\n";
    for len in 0..wire.len() {
        assert!(!decode(&wire[..len], 4).unwrap().1.is_done(), "{len} bytes");
    }
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read(chunks: Vec<Vec<u8>>, piece in 1_usize..40) {
        let mut wire = Vec::new();
        for chunk in chunks.iter().filter(|c| !c.is_empty()) {
            write_chunk_head(chunk.len(), &mut wire);
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(super::CHUNK_TAIL);
        }
        write_end(&FieldList::from_iter([("x", "y")]), &mut wire);
        let (content, decoder, rest) = decode(&wire, piece).unwrap();
        proptest::prop_assert_eq!(content, chunks.concat());
        proptest::prop_assert!(decoder.is_done() && rest == 0);
        proptest::prop_assert_eq!(decoder.trailers().wire(), b"x: y\r\n");
    }
}
