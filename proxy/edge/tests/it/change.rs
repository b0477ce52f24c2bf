//! Configuration changes under load: no request fails, none sees two configurations.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge};

use crate::node::Node;

const CHANGES: usize = 100;
const REQUESTS: usize = 10_000;
const CONNECTIONS: usize = 8;

/// A spec that says its number in three places that three different steps read: a body (the
/// route's action), a response field (the header policy) and a redirect's target.
fn spec(number: usize) -> String {
    format!(
        r#"
sites:
  - name: all
    hosts: ["*"]
    routes:
      - match: /text
        action: {{ respond: {{ body: "{number}" }} }}
        headers: {{ response: {{ set: {{ x-revision: "{number}" }} }} }}
      - match: /away
        action: {{ redirect: {{ to: "https://example.com/{number}" }} }}
"#
    )
}

#[test]
fn ten_thousand_requests_across_a_hundred_changes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut node = Node::with_threads(&spec(0), Clock::system(), 2).await.unwrap();
        let addr = node.addr();
        let done = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|_| tokio::spawn(ask(addr, done.clone(), over.clone()))).collect();
        // The changes are spread over the requests: each waits for its share of them.
        for number in 1..=CHANGES {
            while done.load(Relaxed) < number * REQUESTS / (CHANGES + 1) {
                tokio::task::yield_now().await;
            }
            node.apply(&spec(number)).await.unwrap();
        }
        // The last change may have taken longer than the rest of the requests: some must come after it.
        let enough = REQUESTS.max(done.load(Relaxed) + 10 * CONNECTIONS);
        while done.load(Relaxed) < enough {
            tokio::task::yield_now().await;
        }
        over.store(true, Relaxed);
        let mut seen = 0;
        for client in clients {
            seen = seen.max(client.await.unwrap());
        }
        assert_eq!(seen, CHANGES, "the last configuration was never served");
        node.stop().await;
    });
}

/// One keep-alive connection; the newest configuration that it saw.
async fn ask(addr: std::net::SocketAddr, done: Arc<AtomicUsize>, over: Arc<AtomicBool>) -> usize {
    let mut client = Client::connect(addr).await;
    let mut newest = 0;
    while !over.load(Relaxed) {
        client.send("GET /text HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
        let answer = client.response().await.expect("no request fails");
        assert_eq!(answer.status(), 200);
        let field = answer.fields.joined("x-revision").unwrap();
        assert_eq!(answer.text(), field, "one request saw two configurations");
        let number: usize = field.parse().unwrap();
        assert!(number >= newest, "an older configuration came back");
        newest = number;
        done.fetch_add(1, Relaxed);
    }
    newest
}
