//! What parsing a head costs: time by itself, instructions under
//! `valgrind --tool=callgrind --toggle-collect='*parse_head*'` or by the difference of two counts.
//!
//! `head_cost [wrk|browser] [rounds]`

use std::{hint::black_box, process::ExitCode, time::Instant};

use tidegate_http::{HeadLimits, Known, Scheme, parse_head};

const WRK: &[u8] = b"GET /media/movie/segment-00042.ts HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";

const BROWSER: &[u8] = b"GET /assets/app.3f9a.js?v=12 HTTP/1.1\r\n\
Host: www.example.com\r\n\
Connection: keep-alive\r\n\
sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
sec-ch-ua-mobile: ?0\r\n\
sec-ch-ua-platform: \"Linux\"\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
Accept: */*\r\n\
Sec-Fetch-Site: same-origin\r\n\
Sec-Fetch-Mode: no-cors\r\n\
Sec-Fetch-Dest: script\r\n\
Referer: https://www.example.com/shop/list\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; cart=17\r\n\
If-None-Match: \"3f9a-12\"\r\n\r\n";

#[expect(clippy::print_stdout, reason = "a tool that prints its result")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let request = match arguments.next().as_deref() {
        None | Some("wrk") => WRK,
        Some("browser") => BROWSER,
        Some(_) => return ExitCode::FAILURE,
    };
    let rounds: u32 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(5_000_000);
    let limits = HeadLimits::default();
    let started = Instant::now();
    for _ in 0..rounds {
        let Ok(Some((head, len))) = parse_head(black_box(request), &limits, Scheme::Http) else {
            return ExitCode::FAILURE;
        };
        black_box((head.path(), head.host(), head.field(Known::Range), len));
    }
    let each_ns = started.elapsed().as_nanos() / u128::from(rounds.max(1));
    println!("{} bytes: {each_ns} ns a head", request.len());
    ExitCode::SUCCESS
}
