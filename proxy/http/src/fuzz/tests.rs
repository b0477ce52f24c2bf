//! A bounded, seeded run of every target: seeds that parse, changed at random.

mod hyper;

use tidegate_testkit::fuzz::Smoke;

use super::{ALL, Body};

/// A connection of hyper's costs more than a parser of ours.
const HYPER_ROUNDS: u64 = 3_000;

const SEEDS: &[&[u8]] = &[
    b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nPUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxyGET /4 HTTP/1.0\r\n\r\n",
    b"GET /a/%2e./b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nCookie: a=b\r\n\r\n",
    b"\r\nPOST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close, x\r\n\r\nabc",
    b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET\0/a?b\0example.com\0accept\0x\0cookie\0a\0cookie\0b\0te\0trailers",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVary: a\r\n\r\n",
    b"HTTP/1.0 204\r\nTransfer-Encoding: chunked\r\nX:\r\n\r\n",
    b"5;a=b\r\nhello\r\n10 ;c\r\n0123456789abcdef\r\n0\r\nX: y\r\nHost: z\r\n\r\n",
    b"a=1;b=\"c\\\"\", d=(1.5 tok);e, f=?0, g=:aGVsbG8=:, h=@1, i=%\"%c3%bc\"",
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"Sunday, 06-Nov-94 08:49:37 GMT",
    b"Sun Nov  6 08:49:37 1994",
    b"a\xffb\xffc\xffvary\xffx\xffaccept\xffvary\xffcookie",
];

const SMOKE: Smoke<'_> = Smoke {
    seeds: SEEDS,
    telling: b"\r\n\0\t :;,.=%/?#[](){}\"\\@*-+0159afAFxGZ\x7f\x80\xff",
    tail_bytes_max: 0,
    rounds: 20_000,
};

#[test]
fn every_target_survives_a_seeded_run() {
    for (name, body) in ALL {
        SMOKE.run(name, body);
    }
}

#[test]
fn hyper_sees_the_same_requests() {
    Smoke { rounds: HYPER_ROUNDS, ..SMOKE }.run("hyper", hyper::differential);
}

/// The runner must be able to fail: a target that dislikes what the seeds turn into is caught.
#[test]
fn the_canary_dies() {
    let canary: Body = |data| assert!(!data.contains(&0x7f));
    assert!(std::panic::catch_unwind(|| SMOKE.run("canary", canary)).is_err());
}
