use proptest::prelude::*;
use serde_json::json;
use tidegate_origin_kit::testkit::{Answer, Client};

use super::{links, shorten};
use crate::model::csv::{self, CsvError};
use crate::model::qr::Picture;

async fn import(client: &Client, table: &str) -> Answer {
    let request = http::Request::post("/v1/links/import").header("content-type", "text/csv");
    client.send(request.body(table.to_owned().into())).await
}

#[tokio::test]
async fn each_of_many_links_has_its_own_fate() {
    let (_world, client) = links().await;
    let wanted = json!({ "links": [
        { "url": "https://example.com/1", "alias": "one" },
        { "url": "https://example.com/2", "alias": "one" },
        { "url": "ftp://example.com/" },
        { "url": "https://example.com/4" },
    ] });
    let answer = client.post("/v1/links/bulk", &wanted).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let status: Vec<_> =
        body["results"].as_array().unwrap().iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(body["created"], 2);
    // Of two that want the same alias one gets it, whichever comes first.
    assert_eq!((status[0].min(status[1]), status[0].max(status[1])), (201, 409));
    assert_eq!(status[2..], [422, 201]);
    assert_eq!(body["results"][2]["problem"]["errors"][0]["code"], "scheme");
    let many: Vec<_> = (0..1001).map(|_| json!({ "url": "https://example.com/" })).collect();
    assert_eq!(client.post("/v1/links/bulk", &json!({ "links": many })).await.status, 422);
}

#[tokio::test]
async fn a_table_that_goes_out_comes_in_again() {
    let (_world, client) = links().await;
    let table = "url,alias,title,tags,expires_at\r\n\
        https://example.com/a,a,\"Comma, \"\"quote\"\"\",x;y,2030-01-01T00:00:00Z\r\n\r\n\
        https://example.com/b,b,,,\n\
        nonsense,c,,,\n";
    let body = import(&client, table).await.json();
    assert_eq!(body["created"], 2, "{body}");
    assert_eq!(
        (&body["results"][2]["index"], &body["results"][2]["status"]),
        (&json!(5), &json!(422))
    );
    let link = client.get("/v1/links/a").await.json();
    assert_eq!((&link["title"], &link["tags"]), (&json!("Comma, \"quote\""), &json!(["x", "y"])));
    assert_eq!(link["expires_at"], "2030-01-01T00:00:00Z");

    let out = client.get("/v1/links/export").await;
    assert_eq!(out.field("content-type"), "text/csv; charset=utf-8");
    let read = csv::read(&out.text()).unwrap();
    assert_eq!(read.records.len(), 2);
    let again = import(&client, &out.text()).await;
    assert_eq!(
        again.json()["created"],
        2,
        "codes of the old links are passed over: {}",
        again.text()
    );
    for (table, status) in
        [("", 400), ("alias\nx\n", 422), ("url,colour\n", 422), ("url\n\"open\n", 400)]
    {
        assert_eq!(import(&client, table).await.status, status, "{table}");
    }
}

#[tokio::test]
async fn an_export_walks_all_pages() {
    let (_world, client) = links().await;
    let many: Vec<_> =
        (0..230).map(|n| json!({ "url": format!("https://example.com/{n}") })).collect();
    assert_eq!(
        client.post("/v1/links/bulk", &json!({ "links": many })).await.json()["created"],
        230
    );
    assert_eq!(csv::read(&client.get("/v1/links/export").await.text()).unwrap().records.len(), 230);
}

#[test]
fn tables_that_are_broken_say_where() {
    assert_eq!(csv::read("a\n\"x"), Err(CsvError::Open(2)));
    assert_eq!(csv::read("a\n\"x\"y\n"), Err(CsvError::AfterQuote(2)));
    assert_eq!(csv::read("\n\n"), Err(CsvError::Empty));
    assert_eq!(csv::read(&",".repeat(64)), Err(CsvError::Fields(1)));
    assert_eq!(csv::read(&"a\n".repeat(1002)), Err(CsvError::Records));
}

proptest! {
    #[test]
    fn what_is_written_is_read(rows in prop::collection::vec(prop::collection::vec("[a-z ,\"\r\n;ä]{0,8}", 3), 0..8)) {
        let mut text = csv::write(&["a", "b", "c"]);
        for row in &rows {
            text += &csv::write(&row.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let read = csv::read(&text).unwrap();
        let records: Vec<_> = read.records.into_iter().map(|(_, fields)| fields).collect();
        prop_assert_eq!(records, rows);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a,\"\r\n]{0,40}") {
        let _ = csv::read(&text);
    }
}

#[tokio::test]
async fn a_link_has_a_picture() {
    let (_world, client) = links().await;
    shorten(&client, json!({ "url": "https://example.com/", "alias": "pic" })).await;
    let svg = client.get("/v1/links/pic/qr").await;
    assert_eq!((svg.status.as_u16(), svg.field("content-type")), (200, "image/svg+xml"));
    let png = client.get("/v1/links/pic/qr?format=png&scale=4").await;
    assert_eq!(png.field("content-type"), "image/png");
    let modules = u32::try_from(Picture::of("https://go.example/pic").unwrap().modules()).unwrap();
    assert_eq!(png.body[16..20], (modules * 4).to_be_bytes());
    assert_eq!(client.get("/v1/links/pic/qr?scale=33").await.status, 422);
    assert_eq!(client.get("/v1/links/pic/qr?format=gif").await.status, 422);
    assert_eq!(client.get("/v1/links/none/qr").await.status, 404);
}

/// Decoded by a program that is not ours: `zbarimg` where it is installed.
#[test]
fn a_camera_reads_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qr.png");
    std::fs::write(&file, Picture::of("https://go.example/AbC123x").unwrap().png(4)).unwrap();
    let Ok(out) =
        std::process::Command::new("zbarimg").args(["--quiet", "--raw"]).arg(&file).output()
    else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), "https://go.example/AbC123x");
}
