//! A client that does not read what is sent to it.

use tidegate_edge::Clock;
use tidegate_testkit::Edge as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::node::Node;

/// More than all socket buffers on the way hold.
const BODY_BYTES: usize = 256 << 20;
const NODE: &str = "[limits]\ngrace = '200ms'\nidle_timeout = '300ms'\n";

#[test]
fn is_given_up_and_its_origin_let_go() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let spec = format!(
            "sites: [{{ name: all, hosts: ['*'], routes: [{{ match: /*, action: {{ proxy: big }}, cache: 'off' }}] }}]\n\
             upstreams: [{{ name: big, servers: ['http://{}'] }}]\n",
            listener.local_addr().unwrap()
        );
        let node = Node::with_file(&spec, NODE, Clock::system(), 1).await.unwrap();
        let mut client = TcpStream::connect(node.addr()).await.unwrap();
        client.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        // The client reads nothing: the origin can send until the edge gives both of them up.
        let sent = serve(listener).await;
        assert!(sent < BODY_BYTES, "the edge took it all");
        let mut got = Vec::new();
        // Whether it ends in a reset or not, it is no whole answer.
        let _ = client.read_to_end(&mut got).await;
        assert!(got.len() < BODY_BYTES && got.starts_with(b"HTTP/1.1 200 OK\r\n"));
        node.stop().await;
    });
}

/// Sends until nobody takes it; how many bytes that were.
async fn serve(listener: TcpListener) -> usize {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while sent < BODY_BYTES && stream.write_all(&piece).await.is_ok() {
        sent += piece.len();
    }
    sent
}
