//! What is written and in which order: windows, frame sizes, priorities, ends, abuse.

use bytes::Bytes;
use tidegate_http2::{AbuseLimits, ErrorCode, Progress, Settings, StreamId};

use crate::wire::*;

const OK: &[u8] = &[0x88];
const CALM: ErrorCode = ErrorCode::ENHANCE_YOUR_CALM;

fn body(length: usize) -> Bytes {
    vec![b'x'; length].into()
}

/// Opens streams with these priorities and queues a body on each.
fn compete(entries: &[(u32, &str, usize)], window: u32) -> Wire {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&settings(&[(4, 1 << 30)]));
    for (stream, priority, _) in entries {
        let more: &[(&str, &str)] =
            if priority.is_empty() { &[] } else { &[("priority", priority)] };
        wire.send(&frame(HEADERS, WHOLE, *stream, get(more)));
    }
    for (index, (_, _, length)) in entries.iter().enumerate() {
        let stream = wire.requests[index];
        wire.conn.respond(stream, &[OK], false);
        wire.conn.send_data(stream, body(*length), true);
    }
    wire.frames.clear();
    wire.send(&window_update(0, window));
    wire
}

fn order(wire: &Wire) -> Vec<u32> {
    let mut order: Vec<u32> = wire.received(DATA).iter().map(|frame| frame.stream).collect();
    order.dedup();
    order
}

fn bytes_of(wire: &Wire, stream: u32) -> usize {
    let of = wire.received(DATA).into_iter().filter(|frame| frame.stream == stream);
    of.map(|frame| frame.payload.len()).sum()
}

#[test]
fn the_more_urgent_goes_first() {
    let wire = compete(&[(1, "u=5", 100_000), (3, "u=1", 100_000), (5, "", 50_000)], 1 << 24);
    assert_eq!(order(&wire), [3, 5, 1]);
    assert_eq!(bytes_of(&wire, 1), 100_000);
}

#[test]
fn one_after_the_other_unless_incremental() {
    let wire = compete(&[(1, "u=3", 60_000), (3, "u=3", 60_000)], 1 << 24);
    assert_eq!(order(&wire), [1, 3]);
    let wire = compete(&[(1, "i", 60_000), (3, "i", 60_000), (5, "u=3", 60_000)], 1 << 24);
    assert_eq!(order(&wire), [5, 1, 3, 1, 3, 1, 3, 1, 3]);
}

#[test]
fn clients_that_say_nothing_share() {
    let wire = compete(&[(1, "", 40_000), (3, "", 40_000), (5, "", 10_000)], 1 << 24);
    assert_eq!(order(&wire), [1, 3, 5, 1, 3, 1, 3]);
}

#[test]
fn nobody_starves() {
    let wire = compete(&[(1, "u=0", 10_000_000), (3, "u=7", 10_000_000)], 4_000_000);
    let (first, last) = (bytes_of(&wire, 1), bytes_of(&wire, 3));
    assert!(last > 150_000 && first > 10 * last, "{first} and {last}");
}

#[test]
fn a_stream_without_window_holds_nobody_up() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&cat(&[&settings(&[(4, 10)]), &request(1), &request(3), &window_update(3, 1000)]));
    for stream in wire.requests.clone() {
        wire.conn.respond(stream, &[OK], false);
        wire.conn.send_data(stream, body(1010), true);
    }
    wire.flush();
    assert_eq!((bytes_of(&wire, 1), bytes_of(&wire, 3)), (10, 1010));
    assert!(!wire.conn.wants_write());
    wire.send(&window_update(1, 999));
    assert_eq!(bytes_of(&wire, 1), 1009);
    wire.send(&window_update(1, 1));
    assert_eq!(wire.frames.last().unwrap().flags, END_STREAM);
}

fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn a_setting_can_make_windows_negative_6_9_2() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&request(1));
    let stream = wire.requests[0];
    wire.conn.respond(stream, &[OK], false);
    wire.conn.send_data(stream, body(50_000), false);
    wire.flush();
    wire.conn.send_data(stream, body(50_000), true);
    wire.send(&settings(&[(4, 1000)]));
    wire.flush();
    assert_eq!(bytes_of(&wire, 1), 50_000);
    wire.send(&window_update(1, 49_000));
    assert_eq!(bytes_of(&wire, 1), 50_000);
    wire.send(&window_update(1, 1));
    assert_eq!(bytes_of(&wire, 1), 50_001);
    wire.send(&settings(&[(4, 2000)]));
    assert_eq!(bytes_of(&wire, 1), 51_001);
}

#[test]
fn an_answer_goes_straight_out_when_nothing_stands_in_the_way() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&cat(&[&request(1), &request(3)]));
    let mut out = Vec::new();
    let (first, second) = (wire.requests[0], wire.requests[1]);
    assert!(wire.conn.answer(first, &[OK, &[0x84]], &body(40_000), &mut out));
    let (frames, _) = read_frames(&out);
    let seen: Vec<_> = frames.iter().map(|f| (f.kind, f.flags, f.payload.len())).collect();
    let tail = (DATA, END_STREAM, 40_000 - 2 * 16_384);
    assert_eq!(seen, [(HEADERS, END_HEADERS, 2), (DATA, 0, 16_384), (DATA, 0, 16_384), tail]);
    assert!(!wire.conn.is_open(first) && wire.conn.progress().is_none());
    // The window has no room for the second.
    assert!(!wire.conn.answer(second, &[OK], &body(40_000), &mut out));
    wire.flush();
    assert_eq!(bytes_of(&wire, 3), 65_535 - 40_000);
    wire.send(&window_update(0, 100_000));
    assert_eq!(bytes_of(&wire, 3), 40_000);
    assert_eq!(wire.conn.progress(), Some(Progress::Sent(second)));
    assert_eq!(wire.conn.streams_open(), 0);
}

#[test]
fn an_answer_waits_for_what_is_more_urgent() {
    let mut wire = Wire::open(&Settings::default());
    let urgent = frame(HEADERS, WHOLE, 1, get(&[("priority", "u=0")]));
    wire.send(&cat(&[&urgent, &request(3)]));
    let (urgent, other) = (wire.requests[0], wire.requests[1]);
    wire.conn.respond(urgent, &[OK], false);
    wire.conn.send_data(urgent, body(30_000), true);
    assert!(!wire.conn.answer(other, &[OK], &body(100), &mut Vec::new()));
    wire.flush();
    assert_eq!(order(&wire), [1, 3]);
}

#[test]
fn answers_without_a_body_and_empty_ends() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&cat(&[&settings(&[(4, 0)]), &request(1), &request(3), &request(5)]));
    let [first, second, third] = wire.requests[..] else { panic!("three requests") };
    assert!(wire.conn.answer(first, &[OK], &Bytes::new(), &mut Vec::new()));
    wire.conn.inform(second, &[&[0x08, 3, b'1', b'0', b'3']]);
    wire.conn.respond(second, &[OK], false);
    wire.conn.send_data(second, Bytes::new(), true);
    wire.conn.respond(third, &[OK], false);
    wire.conn.send_trailers(third, &[&block(&[("a", "b")])]);
    wire.flush();
    let seen: Vec<_> = wire.frames[2..].iter().map(|f| (f.kind, f.flags, f.stream)).collect();
    let expected = [
        (HEADERS, END_HEADERS, 3),
        (HEADERS, END_HEADERS, 3),
        (DATA, END_STREAM, 3),
        (HEADERS, END_HEADERS, 5),
        (HEADERS, END_HEADERS | END_STREAM, 5),
    ];
    assert!(seen.ends_with(&expected), "{seen:?}");
    assert_eq!(wire.conn.streams_open(), 0);
    let progress: Vec<_> = std::iter::from_fn(|| wire.conn.progress()).collect();
    assert_eq!(progress, [Progress::Sent(second), Progress::Sent(third)]);
}

#[test]
fn trailers_follow_the_last_byte() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&cat(&[&settings(&[(4, 10)]), &request(1)]));
    let stream = wire.requests[0];
    wire.conn.respond(stream, &[OK], false);
    wire.conn.send_data(stream, body(15), false);
    wire.conn.send_trailers(stream, &[&block(&[("a", "b")])]);
    wire.conn.send_data(stream, body(1), true);
    wire.flush();
    assert_eq!(wire.received(HEADERS).len(), 1);
    wire.send(&window_update(1, 10));
    let last = wire.frames.last().unwrap();
    assert_eq!((last.kind, last.flags), (HEADERS, END_HEADERS | END_STREAM));
    assert_eq!(bytes_of(&wire, 1), 15);
}

#[test]
fn heads_are_split_by_the_clients_frame_size() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&request(1));
    let long = vec![b'y'; 20_000];
    let mut head = OK.to_vec();
    tidegate_http2::Encoder::field(&mut head, b"x-long", &long);
    wire.conn.respond(wire.requests[0], &[&head], true);
    wire.flush();
    let kinds: Vec<_> = wire.frames.iter().map(|f| (f.kind, f.flags)).collect();
    assert!(kinds.ends_with(&[(HEADERS, END_STREAM), (CONTINUATION, END_HEADERS)]), "{kinds:?}");
}

#[test]
fn slow_producers_are_told_when_to_go_on() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&request(1));
    let stream = wire.requests[0];
    wire.conn.respond(stream, &[OK], false);
    wire.conn.send_data(stream, body(200_000), false);
    wire.flush();
    assert_eq!(wire.conn.queued_bytes(stream), 200_000 - 65_535);
    assert_eq!(wire.conn.progress(), None);
    wire.send(&window_update(0, 1 << 20));
    wire.send(&window_update(1, 100_000));
    assert_eq!(wire.conn.progress(), Some(Progress::Writable(stream)));
    assert_eq!(wire.conn.progress(), None);
}

#[test]
fn a_budget_is_kept() {
    let mut wire = compete(&[(1, "", 1_000_000)], 1);
    wire.send(&[]);
    wire.frames.clear();
    let mut out = Vec::new();
    wire.conn.feed(&window_update(0, 1 << 24), 2);
    assert!(wire.conn.write(&mut out, 50_000));
    assert!((50_000..80_000).contains(&out.len()), "{}", out.len());
}

#[test]
fn a_graceful_end_takes_what_is_under_way_6_8() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&request(1));
    wire.conn.go_away(true);
    wire.send(&request(3));
    wire.conn.go_away(true);
    wire.send(&cat(&[&request(5), &frame(DATA, 0, 5, b"ignored")]));
    let last: Vec<_> = wire.received(GOAWAY).iter().map(|f| f.payload[..4].to_vec()).collect();
    assert_eq!(last, [[0x7f, 0xff, 0xff, 0xff], [0, 0, 0, 3]]);
    assert_eq!(wire.requests.len(), 2);
    assert!(wire.resets().is_empty() && !wire.conn.closed());
    for stream in wire.requests.clone() {
        wire.conn.respond(stream, &[OK], true);
    }
    assert!(wire.conn.closed());
    wire.flush();
    assert_eq!(wire.received(HEADERS).len(), 2);
}

#[test]
fn an_upload_that_nobody_wants_is_ended_after_the_response_8_1() {
    let upload = |stream| frame(HEADERS, END_HEADERS, stream, post(&[]));
    let answered = |wire: &mut Wire| {
        let stream = *wire.requests.last().unwrap();
        wire.conn.respond(stream, &[OK], true);
        wire.flush();
    };
    let stopped = |wire: &Wire, stream| wire.resets().contains(&(stream, ErrorCode::NO_ERROR));
    let mut wire = Wire::open(&Settings::default());
    // It ends by itself.
    wire.send(&upload(1));
    answered(&mut wire);
    wire.send(&frame(DATA, END_STREAM, 1, [0; 10]));
    assert!(wire.resets().is_empty() && wire.conn.streams_open() == 0);
    // It still breaks a rule.
    wire.send(&frame(HEADERS, END_HEADERS, 3, post(&[("content-length", "5")])));
    answered(&mut wire);
    wire.send(&frame(DATA, END_STREAM, 3, [0; 10]));
    assert_eq!(wire.resets(), [(3, ErrorCode::PROTOCOL_ERROR)]);
    // It goes on and on.
    wire.send(&upload(5));
    answered(&mut wire);
    (0..20).for_each(|_| wire.send(&frame(DATA, 0, 5, [0; 10_000])));
    assert!(stopped(&wire, 5));
    // It stalls.
    wire.send(&upload(7));
    answered(&mut wire);
    wire.now_us += 2_000_000;
    wire.conn.tick(wire.now_us);
    wire.flush();
    assert!(stopped(&wire, 7) && wire.conn.streams_open() == 0);
    assert!(!wire.events.iter().any(|event| event.starts_with("reset")), "nobody asked");
}

#[test]
fn an_idle_connection_is_small() {
    let mut wire = Wire::open(&Settings::default());
    for stream in 0..50 {
        wire.send(&frame(HEADERS, END_STREAM, 1 + 2 * stream, &get(&[])[..9]));
        wire.send(&frame(CONTINUATION, END_HEADERS, 1 + 2 * stream, &get(&[])[9..]));
    }
    for stream in wire.requests.clone() {
        wire.conn.respond(stream, &[OK], false);
        wire.conn.send_data(stream, body(1000), true);
    }
    wire.flush();
    wire.conn.tick(wire.now_us);
    assert!(wire.conn.is_idle());
    assert!(wire.conn.state_bytes() <= 2048, "{} bytes", wire.conn.state_bytes());
}

/// Sends the same thing until the connection ends; how often.
fn until_calm(limits: AbuseLimits, mut send: impl FnMut(&mut Wire, u32)) -> Option<u32> {
    let mut wire = Wire::open(&Settings { abuse: limits, ..Settings::default() });
    for round in 0..5000 {
        send(&mut wire, round);
        if wire.conn.closed() {
            assert_eq!(wire.goaway(), Some(CALM), "{:?}", wire.events.last());
            return Some(round);
        }
    }
    None
}

#[test]
fn what_costs_the_client_nothing_is_limited_10_5() {
    let stream = |round: u32| 1 + 2 * round;
    let limits = AbuseLimits::default;
    let rapid = until_calm(limits(), |wire, round| {
        wire.send(&cat(&[&request(stream(round)), &rst(stream(round), ErrorCode::CANCEL)]));
    });
    assert_eq!(rapid, Some(limits().early_resets));
    let provoked = until_calm(limits(), |wire, round| {
        wire.send(&cat(&[&request(stream(round)), &window_update(stream(round), 0)]));
    });
    assert_eq!(provoked, Some(limits().early_resets));
    let malformed = until_calm(limits(), |wire, round| {
        wire.send(&frame(HEADERS, WHOLE, stream(round), get(&[("X", "y")])));
    });
    assert_eq!(malformed, Some(limits().early_resets));
    let pings = until_calm(limits(), |wire, _| wire.send(&frame(PING, 0, 0, [0; 8])));
    assert_eq!(pings, Some(limits().pings));
    let changes = until_calm(limits(), |wire, _| wire.send(&settings(&[(4, 5)])));
    assert_eq!(changes, Some(limits().settings - 2), "the preface has two");
    let empty = until_calm(limits(), |wire, round| {
        let open = frame(HEADERS, END_HEADERS, 1, post(&[]));
        wire.send(if round == 0 { &open } else { &[] });
        wire.send(&frame(DATA, 0, 1, []));
    });
    assert_eq!(empty, Some(limits().empty_frames));
    let unknown = until_calm(limits(), |wire, _| wire.send(&frame(0x50, 0, 0, [])));
    assert_eq!(unknown, Some(limits().empty_frames));
    let windows = until_calm(limits(), |wire, _| wire.send(&window_update(0, 1)));
    assert_eq!(windows, Some(limits().window_updates));
    let priorities = until_calm(limits(), |wire, _| wire.send(&frame(PRIORITY, 0, 1, [0; 5])));
    assert_eq!(priorities, Some(limits().priority_updates));
    let continued = until_calm(limits(), |wire, round| match round {
        0 => wire.send(&frame(HEADERS, END_STREAM, 1, get(&[]))),
        _ => wire.send(&frame(CONTINUATION, 0, 1, [0x82])),
    });
    assert_eq!(continued, Some(limits().continuations + 1));
}

#[test]
fn replies_that_are_not_read_are_limited() {
    let mut wire = Wire::open(&Settings {
        abuse: AbuseLimits { pings: u32::MAX, ..AbuseLimits::default() },
        ..Settings::default()
    });
    let pings = frame(PING, 0, 0, [0; 8]).repeat(2000);
    wire.send(&pings);
    assert_eq!(wire.goaway(), Some(CALM));
}

#[test]
fn the_same_spread_over_time_is_no_abuse() {
    let slow = until_calm(AbuseLimits::default(), |wire, round| {
        wire.now_us += 200_000;
        let stream = 1 + 2 * round;
        wire.send(&cat(&[&request(stream), &rst(stream, ErrorCode::CANCEL)]));
        wire.send(&frame(PING, 0, 0, [0; 8]));
    });
    assert_eq!(slow, None);
}

#[test]
fn what_is_done_to_streams_that_are_not_open_is_nothing() {
    let mut wire = Wire::open(&Settings::default());
    wire.send(&quick(1));
    let stream: StreamId = wire.requests[0];
    let before = wire.frames.len();
    wire.conn.respond(stream, &[OK], true);
    wire.conn.inform(stream, &[OK]);
    wire.conn.send_data(stream, body(5), true);
    wire.conn.send_trailers(stream, &[OK]);
    wire.conn.reset(stream, ErrorCode::CANCEL);
    wire.conn.release(stream, 10);
    assert!(wire.conn.answer(stream, &[OK], &body(5), &mut Vec::new()));
    wire.flush();
    assert_eq!(wire.frames.len(), before);
    assert!(wire.is_alive());
}

#[test]
fn an_answer_fits_the_windows_to_the_byte() {
    for (stream_window, connection_window) in [(100, 65_535), (70_000, 100)] {
        for (length, direct) in [(100, true), (101, false)] {
            let mut wire = Wire::open(&Settings::default());
            wire.send(&settings(&[(4, stream_window)]));
            wire.send(&cat(&[&request(1), &request(3), &window_update(1, 65_535)]));
            let [first, second] = wire.requests[..] else { panic!("two requests") };
            wire.conn.respond(first, &[OK], false);
            wire.conn.send_data(first, body(65_535 - connection_window), true);
            wire.flush();
            let all = wire.conn.answer(second, &[OK], &body(length), &mut Vec::new());
            assert_eq!(all, direct, "{length} into {stream_window} and {connection_window}");
        }
    }
}
