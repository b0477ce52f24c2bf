//! `tidegate edge` without any file, and with a spec file that it follows.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tempfile::TempDir;

use crate::world::{Process, free_address, get, tidegate, try_request, wait_for};

#[test]
fn a_caching_reverse_proxy_in_one_line() {
    let requests = Arc::new(AtomicUsize::new(0));
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin_url = format!("http://{}", origin.local_addr().unwrap());
    let counted = requests.clone();
    std::thread::spawn(move || {
        for stream in origin.incoming().flatten() {
            let counted = counted.clone();
            std::thread::spawn(move || serve(stream, &counted));
        }
    });
    let data = TempDir::new().unwrap();
    let (listen, admin) = (free_address(), free_address());
    let mut command = tidegate();
    command.args(["edge", "--origin", &origin_url, "--threads", "1", "--cache-memory", "16MiB"]);
    command.args(["--listen", &listen.to_string(), "--admin", &admin.to_string()]);
    command.arg("--data").arg(data.path());
    let _edge = Process::start(&mut command, &data.path().join("edge.log"));
    wait_for("the edge", || try_request(listen, "GET", "/page", &[], ""));
    let again = get(listen, "/page");
    assert_eq!((again.status, again.text().as_str()), (200, "hello"));
    assert!(again.field("cache-status").is_some_and(|status| status.contains("hit")));
    assert!(again.field("age").is_some());
    assert_eq!(requests.load(Relaxed), 1, "the origin was asked twice");
    assert!(get(admin, "/metrics").text().contains("tidegate_edge_requests_total"));
}

#[test]
fn a_spec_file_is_followed() {
    let data = TempDir::new().unwrap();
    let file = data.path().join("spec.yaml");
    let spec = |text: &str| {
        format!(
            "sites:\n  - name: a\n    hosts: [\"*\"]\n    routes:\n      - match: /\n        action: {{ respond: {{ body: \"{text}\" }} }}\n"
        )
    };
    std::fs::write(&file, spec("one")).unwrap();
    let listen = free_address();
    let mut command = tidegate();
    command.args(["edge", "--threads", "1", "--admin", "off", "--listen", &listen.to_string()]);
    command.arg("--data").arg(data.path().join("data")).arg("--spec").arg(&file);
    let _edge = Process::start(&mut command, &data.path().join("edge.log"));
    let says = |text: &str| {
        try_request(listen, "GET", "/", &[], "").filter(|answer| answer.text() == text).map(drop)
    };
    wait_for("the first text", || says("one"));
    std::fs::write(&file, spec("second")).unwrap();
    wait_for("the second text", || says("second"));
    // A broken file changes nothing, and the log says what is wrong with it.
    std::fs::write(&file, "sites: [{ nam: a }]").unwrap();
    wait_for("the problem in the log", || {
        let log = std::fs::read_to_string(data.path().join("edge.log")).unwrap();
        log.contains("unknown key").then_some(())
    });
    assert_eq!(get(listen, "/").text(), "second");
}

fn serve(mut stream: std::net::TcpStream, requests: &AtomicUsize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    requests.fetch_add(1, Relaxed);
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    let _ = stream.write_all(answer.as_bytes());
}
