//! Real clients: curl, nghttp and h2load (packages `curl` and `nghttp2-client`).

use std::process::{Command, Output};

use tidegate_http2::Settings;

use crate::server::{LARGE_BYTES, Server};

/// Runs a client, at most 60 s.
fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new("timeout").arg("60").arg(program).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn curl(arguments: &[&str]) -> Output {
    let output = run("curl", &[&["-sS", "--http2-prior-knowledge"], arguments].concat());
    assert!(output.status.success(), "curl {arguments:?}: {}", text(&output.stderr));
    output
}

#[test]
fn curl_gets_small_and_large_bodies_and_uploads() {
    let server = Server::start(Settings::default());
    assert_eq!(curl(&[&server.url("/")]).stdout, vec![b'x'; 1024]);
    let large = curl(&[&server.url("/large")]).stdout;
    assert_eq!(large.len(), LARGE_BYTES);
    assert!(large.iter().enumerate().all(|(i, byte)| *byte == i as u8));
    let folder = tempfile::tempdir().unwrap();
    let upload = folder.path().join("upload");
    std::fs::write(&upload, &large).unwrap();
    let data = format!("@{}", upload.display());
    let echoed = curl(&["--data-binary", &data, &server.url("/echo")]).stdout;
    assert_eq!(echoed, large);
    // Answered before the body was read: the client gets the answer nevertheless. Whether it then calls the
    // upload that was cut short an error depends on what it was about to send (RFC 9113 section 8.1).
    let status = ["-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}"];
    let upload = ["--data-binary", &data, &server.url("/missing")];
    let missing = run("curl", &[&status[..], &upload].concat());
    assert_eq!(text(&missing.stdout), "404");
}

#[test]
fn curl_sees_trailers_and_resets() {
    let server = Server::start(Settings::default());
    let shown = text(&curl(&["-v", &server.url("/trailers")]).stderr);
    assert!(shown.contains("x-checksum: 42"), "{shown}");
    let reset = run("curl", &["-sS", "--http2-prior-knowledge", &server.url("/reset")]);
    assert!(text(&reset.stderr).contains("INTERNAL_ERROR"), "{}", text(&reset.stderr));
}

#[test]
fn nghttp_with_small_windows_many_requests_and_large_heads() {
    let server = Server::start(Settings::default());
    for arguments in [
        &["-n", "-v", "-w", "12", "-W", "14", "-m", "10"][..],
        &["-n", "-v", "--header-table-size=0", "-m", "5"],
        &["-n", "-v", "--padding=100", "-m", "3", "-d", "Cargo.toml"],
        &["-n", "-v", "-H", &format!("x-long: {}", "y".repeat(20_000))],
    ] {
        let output = run("nghttp", &[arguments, &[&server.url("/large")]].concat());
        let shown = text(&output.stdout);
        assert!(output.status.success() && !shown.contains("error_code=PROTOCOL"), "{shown}");
        assert!(shown.contains(":status: 200"), "{shown}");
    }
    let too_large = format!("x-long: {}", "y".repeat(40_000));
    let shown = text(&run("nghttp", &["-n", "-v", "-H", &too_large, &server.url("/")]).stdout);
    assert!(shown.contains(":status: 431"), "{shown}");
}

#[test]
fn h2load_has_every_request_answered() {
    let server = Server::start(Settings::default());
    for (path, requests) in [("/", "20000"), ("/large", "40"), ("/trailers", "2000")] {
        let url = server.url(path);
        let shown = text(&run("h2load", &["-n", requests, "-c", "4", "-m", "16", &url]).stdout);
        let all = format!("{requests} succeeded, 0 failed, 0 errored, 0 timeout");
        assert!(shown.contains(&all), "{shown}");
    }
}
