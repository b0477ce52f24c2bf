//! The rules of RFC 9113 and RFC 7541 that bind a server, one case each, named by section.

use tidegate_http2::{ErrorCode, PREFACE, Settings};

use crate::wire::*;

/// What a client must see.
enum See {
    /// GOAWAY with this code, and the end.
    End(ErrorCode),
    /// RST_STREAM with this code on this stream, and the connection goes on.
    Reset(u32, ErrorCode),
    /// No error at all.
    Fine,
    /// No error, and the last event that the owner is told.
    Event(&'static str),
}

use See::{End, Event, Fine, Reset};

const PROTOCOL: ErrorCode = ErrorCode::PROTOCOL_ERROR;
const SIZE: ErrorCode = ErrorCode::FRAME_SIZE_ERROR;
const FLOW: ErrorCode = ErrorCode::FLOW_CONTROL_ERROR;
const CLOSED: ErrorCode = ErrorCode::STREAM_CLOSED;
const COMPRESSION: ErrorCode = ErrorCode::COMPRESSION_ERROR;

type Case = (&'static str, Vec<u8>, See);

fn run(cases: Vec<Case>) {
    let mut failed = Vec::new();
    for (name, bytes, expected) in cases {
        // At once, and byte by byte: what is seen must not depend on the pieces.
        for piece in [usize::MAX, 1] {
            let mut wire = Wire::open(&Settings::default());
            bytes.chunks(piece.min(bytes.len().max(1))).for_each(|piece| wire.send(piece));
            if let Err(seen) = judge(&mut wire, &expected, piece > 1) {
                failed.push(format!("{name}: {seen}; events {:?}", wire.events));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Bodies come in the pieces they were sent in: then the last event may be another.
fn judge(wire: &mut Wire, expected: &See, whole: bool) -> Result<(), String> {
    let (goaway, resets) = (wire.goaway(), wire.resets());
    let seen = Err(format!("goaway {goaway:?}, resets {resets:?}"));
    match expected {
        End(code) => {
            let last = wire.frames.last().is_some_and(|frame| frame.kind == GOAWAY);
            let right = goaway == Some(*code) && last && wire.conn.closed();
            if right { Ok(()) } else { seen }
        }
        Reset(stream, code) => {
            let right = goaway.is_none() && resets == [(*stream, *code)];
            if right && wire.is_alive() { Ok(()) } else { seen }
        }
        Fine | Event(_) => {
            if goaway.is_some() || !resets.is_empty() || !wire.is_alive() {
                return seen;
            }
            let last = wire.events.last().map_or("", String::as_str);
            match expected {
                Event(event) if whole && *event != last => Err(format!("the last event is {last}")),
                _ => Ok(()),
            }
        }
    }
}

fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// HEADERS of a POST that goes on.
fn upload(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, post(&[]))
}

#[test]
fn preface_3_4() {
    for (name, bytes, code) in [
        ("3.4 the preface is not that of HTTP/2", b"GET / HTTP/1.1\r\n\r\n".to_vec(), PROTOCOL),
        ("3.4 the preface ends differently", b"PRI * HTTP/2.0\r\n\r\nSN".to_vec(), PROTOCOL),
        ("3.4 the first frame is a ping", cat(&[PREFACE, &frame(PING, 0, 0, [0; 8])]), PROTOCOL),
        ("3.4 the first frame acks", cat(&[PREFACE, &frame(SETTINGS, ACK, 0, [])]), PROTOCOL),
        ("3.4 the first frame is a request", cat(&[PREFACE, &request(1)]), PROTOCOL),
    ] {
        let mut wire = Wire::raw(&Settings::default());
        wire.send(&bytes);
        assert_eq!(wire.goaway(), Some(code), "{name}");
        assert_eq!(wire.frames[0].kind, SETTINGS, "{name}: our preface comes first");
        assert!(wire.conn.closed(), "{name}");
    }
}

#[test]
fn frames_4() {
    let huge = vec![0; 16_385];
    run(vec![
        ("4.1 an unknown type is ignored", frame(0x16, 0xff, 0, [1, 2, 3]), Fine),
        ("4.1 an unknown type on a stream is ignored", frame(0xff, 0, 7, [0; 100]), Fine),
        ("4.1 unknown flags are ignored", frame(PING, 0x16, 0, [0; 8]), Fine),
        ("4.1 the reserved bit is ignored", frame(PING, 0, 1 << 31, [0; 8]), Fine),
        ("4.1 the reserved bit of a request", request(1 | 1 << 31), Event(GET_1)),
        (
            "4.2 data of the largest size",
            { cat(&[&upload(1), &frame(DATA, END_STREAM, 1, &huge[1..])]) },
            Fine,
        ),
        (
            "4.2 data beyond the largest size",
            cat(&[&upload(1), &frame(DATA, 0, 1, &huge)]),
            End(SIZE),
        ),
        ("4.2 headers beyond the largest size", frame(HEADERS, WHOLE, 1, &huge), End(SIZE)),
        ("4.2 an unknown frame beyond the largest size", frame(0x20, 0, 0, &huge), End(SIZE)),
        (
            "4.3 a block that cannot be decoded",
            frame(HEADERS, WHOLE, 1, [0xff, 0xff]),
            End(COMPRESSION),
        ),
        (
            "4.3 another stream's headers within a block",
            { cat(&[&frame(HEADERS, END_STREAM, 1, get(&[])), &request(3)]) },
            End(PROTOCOL),
        ),
        (
            "4.3 data within a block",
            { cat(&[&frame(HEADERS, 0, 1, get(&[])), &frame(DATA, END_STREAM, 1, [])]) },
            End(PROTOCOL),
        ),
        (
            "5.5 an unknown frame within a block",
            { cat(&[&frame(HEADERS, 0, 1, get(&[])), &frame(0x20, 0, 1, [])]) },
            End(PROTOCOL),
        ),
    ]);
}

const GET_1: &str = "request 1 GET / ended=true";

#[test]
fn stream_states_5_1() {
    let after_end = |bytes: &[u8]| cat(&[&request(1), bytes]);
    let after_reset = |bytes: &[u8]| cat(&[&upload(1), &rst(1, ErrorCode::CANCEL), bytes]);
    let after_all = |bytes: &[u8]| cat(&[&quick(1), bytes]);
    let trailers = frame(HEADERS, WHOLE, 1, block(&[("a", "b")]));
    let priority = frame(PRIORITY, 0, 1, [0, 0, 0, 0, 5]);
    run(vec![
        ("5.1 idle: data", frame(DATA, END_STREAM, 1, [0]), End(PROTOCOL)),
        ("5.1 idle: reset", rst(1, ErrorCode::CANCEL), End(PROTOCOL)),
        ("5.1 idle: window update", window_update(1, 100), End(PROTOCOL)),
        ("5.1 idle: continuation", frame(CONTINUATION, END_HEADERS, 1, get(&[])), End(PROTOCOL)),
        ("5.1 idle: priority", priority.clone(), Fine),
        ("5.1 half-closed: data", after_end(&frame(DATA, 0, 1, [0])), Reset(1, CLOSED)),
        ("5.1 half-closed: headers", after_end(&trailers), Reset(1, CLOSED)),
        (
            "5.1 half-closed: continuation",
            { after_end(&frame(CONTINUATION, END_HEADERS, 1, get(&[]))) },
            End(PROTOCOL),
        ),
        ("5.1 half-closed: window update", after_end(&window_update(1, 9)), Fine),
        ("5.1 half-closed: priority", after_end(&priority), Fine),
        (
            "5.1 half-closed: reset",
            { after_end(&rst(1, ErrorCode::CANCEL)) },
            Event("reset 1 CANCEL by_client=true"),
        ),
        ("5.1 closed by reset: data", after_reset(&frame(DATA, 0, 1, [0])), Reset(1, CLOSED)),
        ("5.1 closed by reset: headers", after_reset(&trailers), End(CLOSED)),
        (
            "5.1 closed by reset: continuation",
            { after_reset(&frame(CONTINUATION, END_HEADERS, 1, get(&[]))) },
            End(PROTOCOL),
        ),
        ("5.1 closed by reset: window update", after_reset(&window_update(1, 9)), Fine),
        ("5.1 closed by reset: another reset", after_reset(&rst(1, PROTOCOL)), Fine),
        ("5.1 closed: data", after_all(&frame(DATA, 0, 1, [0])), Reset(1, CLOSED)),
        ("5.1 closed: headers", after_all(&request(1)), End(CLOSED)),
        ("5.1 closed: window update", after_all(&window_update(1, 9)), Fine),
        ("5.1 closed: reset", after_all(&rst(1, ErrorCode::CANCEL)), Fine),
        ("5.1 closed: priority", after_all(&priority), Fine),
        ("5.1.1 an even number", request(2), End(PROTOCOL)),
        ("5.1.1 a lower number", cat(&[&request(5), &request(3)]), End(PROTOCOL)),
        ("5.1.1 a lower number after answers", cat(&[&quick(5), &quick(3)]), End(PROTOCOL)),
        ("5.1.1 numbers may be skipped", cat(&[&request(1), &request(101)]), Fine),
    ]);
}

#[test]
fn data_under_way_to_a_stream_that_was_reset_is_ignored_5_1() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&upload(1));
    let stream = wire.requests[0];
    wire.conn.reset(stream, ErrorCode::CANCEL);
    wire.send(&frame(DATA, 0, 1, [7; 1000]));
    wire.send(&frame(HEADERS, WHOLE, 1, block(&[("a", "b")])));
    wire.send(&rst(1, ErrorCode::CANCEL));
    wire.send(&window_update(1, 1));
    assert_eq!(wire.resets(), [(1, ErrorCode::CANCEL)]);
    assert!(wire.is_alive());
    assert_eq!(wire.conn.streams_open(), 0);
}

#[test]
fn the_number_of_streams_is_limited_5_1_2() {
    let settings = Settings { streams_max: 3, ..Settings::default() };
    let mut wire = Wire::open(&settings);
    for stream in [1, 3, 5, 7, 9] {
        wire.send(&request(stream));
    }
    let refused = ErrorCode::REFUSED_STREAM;
    assert_eq!(wire.resets(), [(7, refused), (9, refused)]);
    wire.send(&rst(1, ErrorCode::CANCEL));
    wire.send(&request(11));
    assert_eq!(wire.events.last().unwrap(), "request 11 GET / ended=true");
}

#[test]
fn dependencies_5_3() {
    let itself = [0, 0, 0, 1, 5];
    let with_priority = |priority: [u8; 5]| {
        let payload = cat(&[&priority, &get(&[])]);
        frame(HEADERS, WHOLE | WITH_PRIORITY, 1, payload)
    };
    run(vec![
        ("5.3.1 headers on itself", with_priority(itself), Reset(1, PROTOCOL)),
        (
            "5.3.1 headers exclusively on itself",
            with_priority([0x80, 0, 0, 1, 5]),
            Reset(1, PROTOCOL),
        ),
        ("5.3.1 headers on another", with_priority([0, 0, 0, 3, 5]), Event(GET_1)),
        (
            "5.3.1 priority on itself",
            cat(&[&request(1), &frame(PRIORITY, 0, 1, itself)]),
            Reset(1, PROTOCOL),
        ),
        ("5.3.1 priority on itself when idle", frame(PRIORITY, 0, 1, itself), End(PROTOCOL)),
    ]);
}

#[test]
fn data_and_headers_6_1_6_2() {
    let padded = |padding: u8, rest: &[u8]| cat(&[&[padding], rest]);
    run(vec![
        ("6.1 on stream 0", frame(DATA, 0, 0, [0]), End(PROTOCOL)),
        (
            "6.1 padding is no data",
            { cat(&[&upload(1), &frame(DATA, PADDED | END_STREAM, 1, padded(3, b"abc\0\0\0"))]) },
            Event("data 1 abc end=true"),
        ),
        (
            "6.1 nothing but padding",
            { cat(&[&upload(1), &frame(DATA, PADDED | END_STREAM, 1, padded(3, &[0; 3]))]) },
            Event("data 1  end=true"),
        ),
        (
            "6.1 padding as long as the frame",
            { cat(&[&upload(1), &frame(DATA, PADDED, 1, padded(4, b"abc"))]) },
            End(PROTOCOL),
        ),
        (
            "6.1 padding of an empty frame",
            cat(&[&upload(1), &frame(DATA, PADDED, 1, [])]),
            End(SIZE),
        ),
        ("6.2 on stream 0", request(0), End(PROTOCOL)),
        (
            "6.2 padding",
            frame(HEADERS, WHOLE | PADDED, 1, padded(2, &[&get(&[])[..], &[0, 0]].concat())),
            Event(GET_1),
        ),
        (
            "6.2 padding too long",
            frame(HEADERS, WHOLE | PADDED, 1, padded(200, &get(&[]))),
            End(PROTOCOL),
        ),
        ("6.2 padding of an empty frame", frame(HEADERS, WHOLE | PADDED, 1, []), End(SIZE)),
        (
            "6.2 too short for a priority",
            frame(HEADERS, WHOLE | WITH_PRIORITY, 1, [0; 4]),
            End(SIZE),
        ),
    ]);
}

#[test]
fn priority_and_reset_6_3_6_4() {
    run(vec![
        ("6.3 on stream 0", frame(PRIORITY, 0, 0, [0; 5]), End(PROTOCOL)),
        ("6.3 a wrong length", cat(&[&request(1), &frame(PRIORITY, 0, 1, [0; 4])]), Reset(1, SIZE)),
        ("6.4 on stream 0", rst(0, ErrorCode::CANCEL), End(PROTOCOL)),
        ("6.4 on an even stream", cat(&[&request(5), &rst(2, ErrorCode::CANCEL)]), End(PROTOCOL)),
        ("6.4 a wrong length", cat(&[&request(1), &frame(RST_STREAM, 0, 1, [0; 3])]), End(SIZE)),
    ]);
}

#[test]
fn settings_6_5() {
    run(vec![
        ("6.5 an ack with a payload", frame(SETTINGS, ACK, 0, [0; 6]), End(SIZE)),
        ("6.5 on a stream", frame(SETTINGS, 0, 1, []), End(PROTOCOL)),
        ("6.5 a wrong length", frame(SETTINGS, 0, 0, [0; 3]), End(SIZE)),
        ("6.5.2 push neither 0 nor 1", settings(&[(2, 2)]), End(PROTOCOL)),
        ("6.5.2 a window too large", settings(&[(4, 1 << 31)]), End(FLOW)),
        ("6.5.2 the largest window", settings(&[(4, (1 << 31) - 1)]), Fine),
        ("6.5.2 a frame too small", settings(&[(5, 16_383)]), End(PROTOCOL)),
        ("6.5.2 a frame too large", settings(&[(5, 1 << 24)]), End(PROTOCOL)),
        ("6.5.2 the largest frame", settings(&[(5, (1 << 24) - 1)]), Fine),
        ("6.5.2 an unknown setting", settings(&[(0xff, 1)]), Fine),
        (
            "6.5.2 the last of several counts",
            settings(&[(4, 100), (4, 1), (1, 0), (1, 4096)]),
            Fine,
        ),
        ("8441 3 connect protocol neither 0 nor 1", settings(&[(8, 2)]), End(PROTOCOL)),
        ("9218 2.1 priorities neither 0 nor 1", settings(&[(9, 2)]), End(PROTOCOL)),
        ("9218 2.1 priorities change", settings(&[(9, 0), (9, 1)]), End(PROTOCOL)),
    ]);
}

#[test]
fn every_settings_frame_is_acknowledged_in_order_6_5_3() {
    let mut wire = Wire::open(&Settings::default());
    let before = wire.frames.len();
    wire.send(&cat(&[&settings(&[(4, 1)]), &frame(PING, 0, 0, [9; 8]), &settings(&[])]));
    let seen: Vec<_> = wire.frames[before..].iter().map(|f| (f.kind, f.flags)).collect();
    assert_eq!(seen, [(SETTINGS, ACK), (PING, ACK), (SETTINGS, ACK)]);
}

#[test]
fn push_ping_goaway_6_6_to_6_8() {
    run(vec![
        (
            "6.6 a push promise",
            cat(&[&request(1), &frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2])]),
            End(PROTOCOL),
        ),
        ("6.7 on a stream", frame(PING, 0, 1, [0; 8]), End(PROTOCOL)),
        ("6.7 a wrong length", frame(PING, 0, 0, [0; 6]), End(SIZE)),
        ("6.7 an ack that nobody asked for", frame(PING, ACK, 0, [0; 8]), Fine),
        ("6.8 on a stream", frame(GOAWAY, 0, 1, [0; 8]), End(PROTOCOL)),
        ("6.8 too short", frame(GOAWAY, 0, 0, [0; 7]), End(SIZE)),
    ]);
}

#[test]
fn a_ping_is_answered_with_its_bytes_6_7() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&frame(PING, 0, 0, *b"tidegate"));
    let [ack] = wire.received(PING)[..] else { panic!("one answer") };
    assert_eq!((ack.flags, &ack.payload[..]), (ACK, &b"tidegate"[..]));
}

#[test]
fn after_the_clients_goaway_the_open_streams_go_on_6_8() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&cat(&[&upload(1), &frame(GOAWAY, 0, 0, [0; 8])]));
    assert_eq!(wire.events.last().unwrap(), "goaway NO_ERROR");
    assert!(!wire.conn.closed());
    wire.send(&frame(DATA, END_STREAM, 1, b"x"));
    let stream = wire.requests[0];
    wire.conn.respond(stream, &[&[0x88]], true);
    wire.flush();
    assert!(wire.conn.closed());
    assert!(wire.received(HEADERS).len() == 1 && wire.goaway().is_none());
}

#[test]
fn window_updates_6_9() {
    let most = window_update(0, (1 << 31) - 1 - 65_535);
    run(vec![
        ("6.9 of nothing on the connection", window_update(0, 0), End(PROTOCOL)),
        (
            "6.9 of nothing on a stream",
            cat(&[&request(1), &window_update(1, 0)]),
            Reset(1, PROTOCOL),
        ),
        ("6.9 a wrong length", frame(WINDOW_UPDATE, 0, 0, [0; 3]), End(SIZE)),
        ("6.9 the reserved bit is ignored", window_update(0, 1 << 31 | 1), Fine),
        ("6.9.1 the largest connection window", most.clone(), Fine),
        ("6.9.1 the connection window too large", cat(&[&most, &window_update(0, 1)]), End(FLOW)),
        (
            "6.9.1 a stream window too large",
            { cat(&[&request(1), &window_update(1, (1 << 31) - 1)]) },
            Reset(1, FLOW),
        ),
        (
            "6.9.2 a setting makes a window too large",
            {
                let grow = window_update(1, (1 << 31) - 1 - 65_535);
                cat(&[&request(1), &grow, &settings(&[(4, 65_536)])])
            },
            End(FLOW),
        ),
    ]);
}

#[test]
fn data_beyond_the_windows_6_9_1() {
    let small = Settings {
        initial_stream_window_bytes: 70_000,
        connection_window_bytes: 100_000,
        ..Settings::default()
    };
    let mut wire = Wire::open(&small);
    wire.releases = false;
    let piece = |stream| frame(DATA, 0, stream, vec![0; 10_000]);
    wire.send(&cat(&[&upload(1), &upload(3)]));
    (0..7).for_each(|_| wire.send(&piece(1)));
    assert!(wire.resets().is_empty());
    wire.send(&piece(1));
    assert_eq!(wire.resets(), [(1, FLOW)]);
    // The stream's bytes were given back with it; the rest of the window is another stream's.
    (0..7).for_each(|_| wire.send(&piece(3)));
    assert!(wire.goaway().is_none());
    wire.send(&upload(5));
    let more: Vec<_> = (0..10).map(|_| piece(5)).collect();
    more.iter().for_each(|piece| wire.send(piece));
    assert!(wire.goaway() == Some(FLOW) || wire.resets().contains(&(5, FLOW)));
}

#[test]
fn padding_is_given_back_and_data_when_it_is_released_6_9() {
    let small = Settings {
        initial_stream_window_bytes: 65_535,
        connection_window_bytes: 65_535,
        ..Settings::default()
    };
    let mut wire = Wire::open(&small);
    wire.send(&upload(1));
    let piece = cat(&[&[99], &[1; 900], &[0; 99]]);
    for _ in 0..1000 {
        wire.send(&frame(DATA, PADDED, 1, &piece));
    }
    assert!(wire.is_alive() && wire.resets().is_empty());
    let updates = wire.received(WINDOW_UPDATE);
    let sum = |stream| -> u32 {
        let of = updates.iter().filter(|frame| frame.stream == stream);
        of.map(|frame| u32::from_be_bytes(frame.payload[..].try_into().unwrap())).sum()
    };
    assert!(sum(0) > 900_000 && sum(1) > 900_000);
    assert!(updates.len() < 100, "window updates are sent together");
}

#[test]
fn continuations_6_10() {
    let all = get(&[]);
    let (first, rest) = all.split_at(20);
    let (second, third) = rest.split_at(10);
    let begin = frame(HEADERS, END_STREAM, 1, first);
    run(vec![
        ("6.10 one", cat(&[&begin, &frame(CONTINUATION, END_HEADERS, 1, rest)]), Event(GET_1)),
        (
            "6.10 two",
            {
                let middle = frame(CONTINUATION, 0, 1, second);
                cat(&[&begin, &middle, &frame(CONTINUATION, END_HEADERS, 1, third)])
            },
            Event(GET_1),
        ),
        (
            "6.10 on stream 0",
            cat(&[&begin, &frame(CONTINUATION, END_HEADERS, 0, rest)]),
            End(PROTOCOL),
        ),
        (
            "6.10 on another stream",
            cat(&[&begin, &frame(CONTINUATION, END_HEADERS, 3, rest)]),
            End(PROTOCOL),
        ),
        (
            "6.10 after the end",
            { cat(&[&request(1), &frame(CONTINUATION, END_HEADERS, 1, rest)]) },
            End(PROTOCOL),
        ),
        (
            "6.10 after data",
            {
                let data = frame(DATA, END_STREAM, 1, [0]);
                cat(&[&upload(1), &data, &frame(CONTINUATION, END_HEADERS, 1, rest)])
            },
            End(PROTOCOL),
        ),
        ("6.10 a ping between", cat(&[&begin, &frame(PING, 0, 0, [0; 8])]), End(PROTOCOL)),
        ("6.10 unknown between", cat(&[&begin, &frame(0x40, 0, 1, [0; 8])]), End(PROTOCOL)),
    ]);
}

#[test]
fn messages_8_1() {
    let trailers = |flags, lines: &[(&str, &str)]| {
        cat(&[&upload(1), &frame(DATA, 0, 1, b"x"), &frame(HEADERS, flags, 1, block(lines))])
    };
    let lengths = |length, pieces: &[&[u8]]| {
        let mut all = frame(HEADERS, END_HEADERS, 1, post(&[("content-length", length)]));
        for (index, piece) in pieces.iter().enumerate() {
            let flags = u8::from(index + 1 == pieces.len());
            all.extend(frame(DATA, flags, 1, piece));
        }
        all
    };
    run(vec![
        ("8.1 trailers", trailers(WHOLE, &[("x-a", "1")]), Event("trailers 1 [\"x-a\"]")),
        (
            "8.1 trailers without the end",
            trailers(END_HEADERS, &[("x-a", "1")]),
            Reset(1, PROTOCOL),
        ),
        (
            "8.1 trailers with a pseudo-header field",
            trailers(WHOLE, &[(":path", "/")]),
            Reset(1, PROTOCOL),
        ),
        ("8.1 trailers with a status", trailers(WHOLE, &[(":status", "200")]), Reset(1, PROTOCOL)),
        (
            "8.1 trailers with a capital letter",
            trailers(WHOLE, &[("X-a", "1")]),
            Reset(1, PROTOCOL),
        ),
        ("8.1.1 the right length", lengths("3", &[b"a", b"bc"]), Event("data 1 bc end=true")),
        ("8.1.1 data too short", lengths("4", &[b"a", b"bc"]), Reset(1, PROTOCOL)),
        ("8.1.1 data too long", lengths("2", &[b"a", b"bc"]), Reset(1, PROTOCOL)),
        (
            "8.1.1 no data at all",
            { frame(HEADERS, WHOLE, 1, post(&[("content-length", "1")])) },
            Reset(1, PROTOCOL),
        ),
        (
            "8.1.1 a length of nothing",
            { frame(HEADERS, WHOLE, 1, post(&[("content-length", "0")])) },
            Event("request 1 POST / ended=true"),
        ),
        (
            "8.1.1 trailers before the length is there",
            {
                let end = frame(HEADERS, WHOLE, 1, block(&[("a", "b")]));
                let start = frame(HEADERS, END_HEADERS, 1, post(&[("content-length", "9")]));
                cat(&[&start, &frame(DATA, 0, 1, b"x"), &end])
            },
            Reset(1, PROTOCOL),
        ),
        (
            "8.1.1 two lengths",
            {
                let twice = [("content-length", "1"), ("content-length", "1")];
                frame(HEADERS, END_HEADERS, 1, post(&twice))
            },
            Reset(1, PROTOCOL),
        ),
        (
            "8.1.1 no number",
            { frame(HEADERS, END_HEADERS, 1, post(&[("content-length", "+1")])) },
            Reset(1, PROTOCOL),
        ),
    ]);
}

fn malformed(name: &'static str, block: Vec<u8>) -> Case {
    (name, frame(HEADERS, WHOLE, 1, block), Reset(1, PROTOCOL))
}

fn accepted(name: &'static str, block: Vec<u8>) -> Case {
    (name, frame(HEADERS, WHOLE, 1, block), Fine)
}

#[test]
fn fields_8_2() {
    run(vec![
        malformed("8.2.1 a capital letter", get(&[("X-TEST", "ok")])),
        malformed("8.2.1 a space in a name", get(&[("a b", "ok")])),
        malformed("8.2.1 an empty name", get(&[("", "ok")])),
        malformed("8.2.1 a colon in a name", get(&[("a:b", "ok")])),
        malformed("8.2.1 a byte beyond ascii in a name", get(&[("ä", "ok")])),
        malformed("8.2.1 NUL in a value", get(&[("a", "x\0y")])),
        malformed("8.2.1 CR in a value", get(&[("a", "x\ry")])),
        malformed("8.2.1 LF in a value", get(&[("a", "x\ny")])),
        malformed("8.2.1 a space before a value", get(&[("a", " x")])),
        malformed("8.2.1 a tab after a value", get(&[("a", "x\t")])),
        accepted("8.2.1 an empty value", get(&[("a", "")])),
        accepted("8.2.1 a tab and bytes beyond ascii in a value", get(&[("a", "x\ty ä")])),
        malformed("8.2.2 connection", get(&[("connection", "keep-alive")])),
        malformed("8.2.2 keep-alive", get(&[("keep-alive", "1")])),
        malformed("8.2.2 proxy-connection", get(&[("proxy-connection", "close")])),
        malformed("8.2.2 transfer-encoding", get(&[("transfer-encoding", "chunked")])),
        malformed("8.2.2 upgrade", get(&[("upgrade", "h2c")])),
        malformed("8.2.2 te other than trailers", get(&[("te", "trailers, deflate;q=0.5")])),
        accepted("8.2.2 te trailers", get(&[("te", "trailers")])),
        accepted("8.2.3 cookie in crumbs", get(&[("cookie", "a=b"), ("cookie", "c=d")])),
    ]);
}

#[test]
fn pseudo_fields_8_3() {
    let without = |name: &str| {
        let rest: Vec<_> = GET.iter().filter(|line| line.0 != name).copied().collect();
        block(&rest)
    };
    let with = |name: &str, value: &'static str| {
        block(&GET.map(|line| if line.0 == name { (line.0, value) } else { line }))
    };
    run(vec![
        malformed("8.3 unknown", get(&[(":test", "ok")])),
        malformed("8.3 that of a response", get(&[(":status", "200")])),
        malformed("8.3 after a regular field", block(&[&[("a", "b")], &GET[..]].concat())),
        malformed("8.3 one after a regular field", {
            block(&[&GET[..2], &[("a", "b")], &GET[2..]].concat())
        }),
        malformed("8.3.1 no method", without(":method")),
        malformed("8.3.1 no scheme", without(":scheme")),
        malformed("8.3.1 no path", without(":path")),
        accepted("8.3.1 no authority", without(":authority")),
        malformed("8.3.1 an empty path", with(":path", "")),
        malformed("8.3.1 a path without a slash", with(":path", "index.html")),
        malformed("8.3.1 an asterisk with get", with(":path", "*")),
        malformed("8.3.1 an empty scheme", with(":scheme", "")),
        malformed("8.3.1 method twice", block(&[&GET[..1], &GET[..]].concat())),
        malformed("8.3.1 scheme twice", block(&[&GET[1..2], &GET[..]].concat())),
        malformed("8.3.1 path twice", block(&[&GET[2..3], &GET[..]].concat())),
        malformed("8.3.1 authority twice", block(&[&GET[3..], &GET[..]].concat())),
        malformed("8.3.1 an empty section", Vec::new()),
        accepted("8.3.1 options of the server", {
            block(&[(":method", "OPTIONS"), (":scheme", "http"), (":path", "*")])
        }),
        accepted("8.5 connect", block(&[(":method", "CONNECT"), (":authority", "a:1")])),
        malformed("8.5 connect with a path", with(":method", "CONNECT")),
        malformed("8.5 connect without authority", block(&[(":method", "CONNECT")])),
        malformed("8441 4 :protocol that was not offered", {
            block(&[&GET[..], &[(":protocol", "websocket")]].concat())
        }),
    ]);
}

#[test]
fn extended_connect_8441() {
    let offered = Settings { extended_connect: true, ..Settings::default() };
    let open = |lines: &[(&str, &str)]| {
        let mut wire = Wire::open(&offered);
        wire.send(&frame(HEADERS, END_HEADERS, 1, block(lines)));
        wire
    };
    let mut lines = GET;
    lines[0].1 = "CONNECT";
    let websocket = (":protocol", "websocket");
    let wire = open(&[&lines[..], &[websocket]].concat());
    assert_eq!(wire.events, ["request 1 CONNECT / ended=false"]);
    let ours = &wire.received(SETTINGS)[0].payload;
    assert!(ours.chunks(6).any(|entry| entry == [0, 8, 0, 0, 0, 1]), "it is announced");
    for lines in [
        [&GET[..], &[websocket]].concat(),
        [&lines[..3], &[websocket]].concat(),
        [&lines[..2], &lines[3..], &[websocket]].concat(),
        [&lines[..1], &lines[2..], &[websocket]].concat(),
    ] {
        assert_eq!(open(&lines).resets(), [(1, PROTOCOL)], "{lines:?}");
    }
}

#[test]
fn field_compression_7541() {
    let end = |name, block: &[u8]| (name, frame(HEADERS, WHOLE, 1, block), End(COMPRESSION));
    let with = |more: &[u8]| cat(&[&get(&[]), more]);
    run(vec![
        end("7541 2.3.3 an index beyond the tables", &with(&[0xff, 0x00])),
        end("7541 2.3.3 a literal's index beyond the tables", &with(&[0x7f, 0x01, 1, b'a'])),
        end("7541 4.2 an update at the end", &with(&[0x20])),
        end("7541 5.1 an integer too large", &with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])),
        end("7541 5.2 padding of more than 7 bits", &with(&[0, 0x81, 0xff, 1, b'a'])),
        end("7541 5.2 padding of zeros", &with(&[0, 0x81, 0x1c ^ 0x07, 1, b'a'])),
        end("7541 5.2 EOS", &with(&[0, 1, b'a', 0x84, 0xff, 0xff, 0xff, 0xff])),
        end("7541 5.2 a string beyond the block", &with(&[0, 5, b'a'])),
        end("7541 6.1 index 0", &with(&[0x80])),
        end("7541 6.3 an update beyond the setting", &cat(&[&[0x3f, 0xe2, 0x1f], &get(&[])])),
        accepted("7541 6.3 an update at the beginning", cat(&[&[0x20], &get(&[])])),
        accepted("7541 6.3 two updates", cat(&[&[0x20, 0x3f, 0xe1, 0x1f], &get(&[])])),
    ]);
}

#[test]
fn the_table_is_kept_for_refused_and_malformed_requests_4_3() {
    let mut wire = Wire::open(&Settings::default());
    // x-a: 1 enters the table in a request that is malformed.
    let malformed = cat(&[&block(&[(":method", "GET")]), b"\x40\x03x-a\x011"]);
    wire.send(&frame(HEADERS, WHOLE, 1, malformed));
    wire.send(&frame(HEADERS, END_HEADERS, 3, cat(&[&post(&[]), &[0xbe]])));
    wire.send(&frame(HEADERS, WHOLE, 3, [0xbe]));
    assert_eq!(wire.events[1..], ["request 3 POST / ended=false", "trailers 3 [\"x-a\"]"]);
}

#[test]
fn a_head_too_large_is_the_owners_to_answer_10_5_1() {
    let settings = Settings { fields_max: 10, ..Settings::default() };
    let mut wire = Wire::open(&settings);
    let many = vec![("a", "b"); 11];
    wire.send(&frame(HEADERS, WHOLE, 1, get(&many)));
    wire.send(&frame(HEADERS, WHOLE, 3, get(&many[..10])));
    assert_eq!(wire.events, ["too large 1", "request 3 GET / ended=true"]);
}

#[test]
fn a_smaller_table_of_the_client_is_acknowledged_once_7541_4_2() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&settings(&[(1, 0)]));
    wire.send(&cat(&[&quick(1), &quick(3)]));
    let heads: Vec<_> = wire.received(HEADERS).iter().map(|frame| frame.payload[0]).collect();
    assert_eq!(heads, [0x20, 0x88]);
}

#[test]
fn priority_updates_9218_7_1() {
    let update = |stream, id: u32, value: &str| {
        frame(PRIORITY_UPDATE, 0, stream, cat(&[&id.to_be_bytes(), value.as_bytes()]))
    };
    run(vec![
        ("9218 7.1 on a stream", update(1, 1, "u=1"), End(PROTOCOL)),
        ("9218 7.1 of stream 0", update(0, 0, "u=1"), End(PROTOCOL)),
        ("9218 7.1 of a push", update(0, 2, "u=1"), End(PROTOCOL)),
        ("9218 7.1 too short", frame(PRIORITY_UPDATE, 0, 0, [0; 3]), End(SIZE)),
        ("9218 7.1 of a closed stream", cat(&[&quick(1), &update(0, 1, "u=1")]), Fine),
        ("9218 7.1 that cannot be read", cat(&[&request(1), &update(0, 1, "((")]), Fine),
    ]);
    let mut wire = Wire::open(&Settings::default());
    let asked = frame(HEADERS, WHOLE, 1, get(&[("priority", "u=5, i")]));
    wire.send(&cat(&[&update(0, 3, "u=0"), &asked, &request(3), &request(5), &update(0, 5, "i")]));
    let of: Vec<_> = wire.requests.iter().map(|id| wire.conn.priority(*id).unwrap()).collect();
    let of: Vec<_> = of.iter().map(|priority| (priority.urgency, priority.incremental)).collect();
    assert_eq!(of, [(5, true), (0, false), (3, true)]);
}

/// The four parts of the fingerprint, as the first request finds them; what comes later changes nothing.
#[test]
fn a_client_is_told_by_how_it_begins() {
    let begin = |before: &[Vec<u8>], fields: [(&str, &str); 4]| {
        let mut wire = Wire::raw(&Settings::default());
        wire.send(PREFACE);
        wire.send(&before.concat());
        assert_eq!(wire.conn.fingerprint(), None);
        wire.send(&frame(HEADERS, WHOLE, 15, block(&fields)));
        wire.send(&window_update(0, 7));
        wire.send(&settings(&[(4, 1)]));
        wire.conn.fingerprint().unwrap().to_owned()
    };
    let [method, scheme, path, authority] = GET;
    let browser = [
        settings(&[(1, 65_536), (4, 131_072), (5, 16_384)]),
        window_update(0, 12_517_377),
        frame(PRIORITY, 0, 3, [0, 0, 0, 0, 200]),
        frame(PRIORITY, 0, 5, [0x80, 0, 0, 3, 0]),
    ];
    assert_eq!(
        begin(&browser, [method, path, authority, scheme]),
        "1:65536;4:131072;5:16384|12517377|3:0:0:201,5:1:3:1|m,p,a,s"
    );
    assert_eq!(begin(&[settings(&[])], [method, authority, scheme, path]), "|00|0|m,a,s,p");
}
