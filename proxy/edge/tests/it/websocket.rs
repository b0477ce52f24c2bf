//! A WebSocket (RFC 6455) from end to end: a client, the edge, a server that echoes.

use std::net::SocketAddr;

use tidegate_edge::Clock;
use tidegate_testkit::Edge as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::node::Node;

/// The key of RFC 6455 section 1.3 and what it must be answered with.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

#[test]
fn messages_of_every_size_go_both_ways_until_the_close() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener));
        let node = Node::with_threads(&spec(server), Clock::system(), 1).await.unwrap();

        let mut client = handshake(node.addr()).await;
        // A server may speak first.
        assert_eq!(read_frame(&mut client).await, (TEXT, b"welcome".to_vec()));
        for length in [0, 5, 125, 126, 65_535, 65_536, 1_000_000] {
            let message: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
            write_frame(&mut client, BINARY, &message, Some([1, 2, 3, 4])).await;
            assert_eq!(read_frame(&mut client).await, (BINARY, message));
        }
        write_frame(&mut client, PING, b"there?", Some([9, 9, 9, 9])).await;
        assert_eq!(read_frame(&mut client).await, (PONG, b"there?".to_vec()));
        write_frame(&mut client, CLOSE, &1000_u16.to_be_bytes(), Some([5; 4])).await;
        assert_eq!(read_frame(&mut client).await, (CLOSE, 1000_u16.to_be_bytes().to_vec()));
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "and then the end");
        serving.await.unwrap();
        node.stop().await;
    });
}

fn spec(server: SocketAddr) -> String {
    format!(
        "sites: [{{ name: all, hosts: ['*'], compress: {{}}, routes: [{{ match: /*, action: {{ proxy: ws }} }}] }}]\n\
         upstreams: [{{ name: ws, servers: ['http://{server}'] }}]\n"
    )
}

async fn handshake(edge: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(edge).await.unwrap();
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains(&format!("sec-websocket-accept: {}", ACCEPT.to_lowercase())), "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
    stream
}

/// Greets, then answers each message with the same message.
async fn serve(listener: TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let head = read_head(&mut stream).await.to_lowercase();
    assert!(head.contains(&format!("sec-websocket-key: {}", KEY.to_lowercase())), "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    write_frame(&mut stream, TEXT, b"welcome", None).await;
    loop {
        let (opcode, message) = read_frame(&mut stream).await;
        let answer = if opcode == PING { PONG } else { opcode };
        write_frame(&mut stream, answer, &message, None).await;
        if opcode == CLOSE {
            return;
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn write_frame(stream: &mut TcpStream, opcode: u8, message: &[u8], mask: Option<[u8; 4]>) {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![0x80 | opcode];
    match message.len() {
        length @ ..126 => frame.push(masked | length as u8),
        length @ ..65_536 => {
            frame.push(masked | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(masked | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask.unwrap_or_default().iter().take(4 * usize::from(mask.is_some())));
    let key = mask.unwrap_or_default();
    frame.extend(message.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    stream.write_all(&frame).await.unwrap();
}

/// One whole frame: its opcode and its message, unmasked.
async fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let (first, second) = (stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap());
    let length = match second & 0x7f {
        126 => u64::from(stream.read_u16().await.unwrap()),
        127 => stream.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut key = [0; 4];
    if second & 0x80 != 0 {
        stream.read_exact(&mut key).await.unwrap();
    }
    let mut message = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut message).await.unwrap();
    message.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    (first & 0x0f, message)
}
