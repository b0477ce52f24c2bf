mod api;
mod bulk;
mod clicks;
mod codes;
mod engines;
mod table;
mod targets;
mod visitors;

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_origin_kit::testkit::{Answer, Client, World};

use crate::announce::Announce;

/// A world with the links on a fresh SQLite database and the client of their routes.
async fn links() -> (World, Client) {
    links_with(json!({ "short_base": "https://go.example" }), None).await
}

async fn links_with(settings: Value, log: Option<Arc<dyn Announce>>) -> (World, Client) {
    let world = World::new(json!({ "links": settings }));
    let service = crate::service(&world.cx, log).await.unwrap();
    let client = world.client(service);
    (world, client)
}

async fn shorten(client: &Client, body: Value) -> Answer {
    client.post("/shorten", &body).await
}

/// The code of a new link to `url`.
async fn code_of(client: &Client, url: &str) -> String {
    let made = shorten(client, json!({ "url": url })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["code"].as_str().unwrap().to_owned()
}
