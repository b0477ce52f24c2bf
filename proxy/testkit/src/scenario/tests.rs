use std::path::Path;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

/// A node that joins every connection with the address that its spec is.
struct Pipe {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Edge for Pipe {
    async fn start(spec: &str, _: &str, _: &VirtualClock) -> Result<Self, String> {
        let origin: SocketAddr =
            spec.trim().parse().map_err(|_| format!("not an address: {spec}"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
        let addr = listener.local_addr().map_err(|e| e.to_string())?;
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(origin).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Ok(Self { addr, task })
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    async fn apply(&mut self, _: &str) -> Result<(), String> {
        Err("a pipe stays as it is".to_owned())
    }

    async fn metrics(&mut self) -> String {
        "# HELP x\nx_total{a=\"1\",b=\"2\"} 3\nx_total{a=\"1\",b=\"3\"} 4\ny 1.5\n".to_owned()
    }

    async fn stop(self) {
        self.task.abort();
    }
}

async fn run(steps: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t00001.txt");
    let text = format!("# t00001 a test\nspec\n    ${{o1.addr}}\n{steps}");
    std::fs::write(&file, text).unwrap();
    run_file::<Pipe>(&file)
        .await
        .map_err(|failure| format!("{}: {}", failure.line, failure.message))
}

#[tokio::test]
async fn a_conversation_is_held() {
    let steps = r#"
client c1 > GET /a | X-A: 1
client c1 > POST /b | Transfer-Encoding: chunked || "hel" "lo"
origin o1 < GET /a | Host: example.com | X-A >= 1 | X-B absent
origin o1 > 200 | Date: ${date-60s} || bytes 40
client c1 < 200 | Date: Wed, 31 Dec 2025 23:59:00 GMT | Content-Length: 40 || bytes 40
origin o1 < POST /b | X-A absent || hello
origin o1 > 103 | Link: </x>; rel=preload
origin o1 > 404
client c1 < 103 | Link contains preload
client c1 < 4xx | Content-Length: 0 ||
origin o1 requests 2
origin o1 connections 1
metric x_total{a="1"} == 7
metric y >= 1
"#;
    assert_eq!(run(steps).await, Ok(()));
}

#[tokio::test]
async fn ends_are_told_apart() {
    let steps = r#"
client c1 > GET /a
origin o1 < GET /a
origin o1 >> "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel"
client c1 <head 200
origin o1 close
client c1 broken
client c2 > GET /b
origin o1 < GET /b
origin o1 > 200 | no length || all
origin o1 close
client c2 < 200 || all
client c2 closed
"#;
    assert_eq!(run(steps).await, Ok(()));
}

#[tokio::test]
async fn raw_bytes_go_both_ways_after_a_switch() {
    let steps = r#"
client c1 > GET /chat | Connection: Upgrade | Upgrade: websocket
origin o1 < GET /chat | Upgrade: websocket
origin o1 > 101 | Connection: Upgrade | Upgrade: websocket
client c1 < 101
client c1 >> "\x81ping"
origin o1 << "\x81ping"
origin o1 >> "pong"
client c1 << "pong"
"#;
    assert_eq!(run(steps).await, Ok(()));
}

#[tokio::test]
async fn a_failure_says_where_and_what() {
    let asked = "client c1 > GET /a\norigin o1 < GET /a\norigin o1 > 200 | Age: 3 || hello\n";
    for (step, wanted) in [
        ("client c1 < 404", "7: expected first line `404`\n    in: HTTP/1.1 200 Answer | Age: 3"),
        ("client c1 < 200 | Age >= 60", "7: expected `Age >= 60`, got `Age: 3`"),
        ("client c1 < 200 | Via present", "7: expected `Via present`, got no such field"),
        ("client c1 < 200 || hullo", "7: expected content is \"hullo\""),
        ("origin o1 requests 2", "7: expected 2 requests, got 1"),
        ("apply\n    x", "7: a pipe stays as it is"),
    ] {
        let failure = run(&format!("{asked}{step}\n")).await.unwrap_err();
        assert!(failure.starts_with(wanted), "{step}: {failure}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    for (line, wanted) in [
        ("clint c1 > GET /", "`clint` is not"),
        ("client c1 ? GET /", "a client does not know `?`"),
        ("client c1 < 200 | Age around 3", "is not an expectation"),
        ("client c1 >> \"abc", "quote is not closed"),
        ("advance 61", "not a time"),
        ("metric x > 1", "is not `name"),
        ("spec a\n    b", "either a file's name or"),
        ("client c1 < 200\n    b", "only `node`, `spec`, `apply`"),
    ] {
        let failure = parse::script("t00001", &format!("# t00001 x\n{line}\n")).unwrap_err();
        assert_eq!(failure.0, 2, "{line}");
        assert!(failure.1.contains(wanted), "{line}: {}", failure.1);
    }
    assert_eq!(parse::script("t00002", "# t00001 x\n").unwrap_err().0, 1);
}

#[test]
fn failures_point_into_the_file() {
    let failure = Failure { file: Path::new("a/b.txt").into(), line: 3, message: "x".to_owned() };
    assert_eq!(failure.to_string(), "a/b.txt:3: x");
}
