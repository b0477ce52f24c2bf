//! `crowd BINARY FOLDER`: 500 LL-HLS viewers at an edge of that program; prints a table. `bench/crowd` runs it.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tidegate_testkit::crowd::{Crowd, Live, Outcome};
use tokio::net::{TcpListener, TcpStream};

/// A running edge, ended with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(binary), Some(folder)) = (args.next(), args.next()) else {
        return Err(std::io::Error::other("usage: crowd BINARY FOLDER"));
    };
    let crowd = Crowd { viewers: 500, parts: 40, pause: Duration::from_millis(500) };
    let live = Live::start().await;
    let (_edge, at) = start(&binary, Path::new(&folder), live.addr()).await?;
    let outcome = crowd.watch(&live, at).await;
    table(crowd, &outcome)
}

async fn start(
    binary: &str,
    folder: &Path,
    origin: SocketAddr,
) -> std::io::Result<(Running, SocketAddr)> {
    let at = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let spec = folder.join("crowd.yaml");
    std::fs::write(
        &spec,
        format!(
            "sites:\n  - name: live\n    hosts: [\"*\"]\n    routes:\n      - match: /live/*\n        action: {{ proxy: origin }}\n        media: {{}}\nupstreams:\n  - name: origin\n    servers: [\"http://{origin}\"]\n"
        ),
    )?;
    // Core 0 is the node's, as in the other benchmarks; this program is started on core 1.
    let child = Command::new("taskset")
        .args(["-c", "0", binary, "edge", "--threads", "1", "--admin", ""])
        .args(["--listen", &at.to_string()])
        .arg("--spec")
        .arg(&spec)
        .arg("--data")
        .arg(folder.join("data"))
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("edge.log"))?)
        .spawn()?;
    let running = Running(child);
    for _ in 0..100 {
        if TcpStream::connect(at).await.is_ok() {
            return Ok((running, at));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(std::io::Error::other("the edge does not listen; see edge.log"))
}

fn table(crowd: Crowd, outcome: &Outcome) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| viewers | objects | origin requests per object | delay p50 | p95 | p99 | largest |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let ratio = outcome.requests() as f64 / crowd.objects() as f64;
    write!(out, "| {} | {} | {ratio:.2} ", crowd.viewers, crowd.objects())?;
    for percent in [50, 95, 99, 100] {
        write!(out, "| {:.1} ms ", outcome.delay_ms(percent))?;
    }
    writeln!(out, "|")
}
