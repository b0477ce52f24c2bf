//! The cache on disk as a node has it.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge as _};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::node::Node;

/// A segment's file name, as the tier names the first one.
const FIRST_SEGMENT: &str = "00000000.segment";

/// An origin that sends every object once.
async fn origin(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut head = Vec::new();
            while let Ok(byte) = stream.read_u8().await {
                head.push(byte);
                if head.ends_with(b"\r\n\r\n") {
                    head.clear();
                    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
    }
}

/// No timing: the metric is asked for until the writer has met the full device.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_turns_the_tier_off_and_the_node_serves_on_from_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = format!(
        "sites: [{{ name: all, hosts: ['*'], routes: [{{ match: /*, action: {{ proxy: one }} }}] }}]\n\
         upstreams: [{{ name: one, servers: ['http://{}'] }}]\n",
        listener.local_addr().unwrap()
    );
    tokio::spawn(origin(listener));
    let full = |data: &Path| {
        fs::create_dir_all(data.join("cache")).unwrap();
        symlink("/dev/full", data.join("cache").join(FIRST_SEGMENT)).unwrap();
    };
    let mut node = Node::with_disk(&spec, Clock::system(), full).await.unwrap();
    assert!(node.metrics().await.contains("tidegate_cache_disk_on 1"));
    let mut client = Client::connect(node.addr()).await;
    let get = "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n";
    client.send(get).await;
    assert_eq!(client.response().await.unwrap().body, b"hello");
    for tries in 0.. {
        if node.metrics().await.contains("tidegate_cache_disk_on 0") {
            break;
        }
        assert!(tries < 1_000, "the tier is still on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.send(get).await;
    let again = client.response().await.unwrap();
    assert_eq!(again.body, b"hello");
    assert!(again.fields.joined("cache-status").unwrap().contains("hit"));
    node.stop().await;
}
