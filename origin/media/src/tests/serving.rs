use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_http::FieldList;
use tidegate_origin_kit::Service;
use tidegate_origin_kit::testkit::{Client, START, World};
use tidegate_sign::{Algorithm, Key, Keyset, KeysetOptions, Request, verify};

use super::made_up;
use crate::api::{Desk, router};
use crate::mint::Signer;
use crate::shelf::{Shelf, Stock};
use crate::stream::PART_US;

fn client(world: &World, shelf: Shelf, signer: &Signer) -> Client {
    let desk =
        Desk { shelf: Arc::new(shelf), clock: world.cx.clock.clone(), signer: signer.clone() };
    world.client(Service::new(crate::NAME, router(desk)))
}

fn shelf(stock: Stock) -> Shelf {
    let shelf = Shelf::default();
    shelf.put(stock);
    shelf
}

fn request<'a>(path: &'a str, fields: &'a FieldList) -> Request<'a> {
    let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let (https, host, method) = (false, "edge.example", "GET");
    Request {
        https,
        host,
        port: None,
        method,
        path,
        path_sent: path,
        query: None,
        client,
        country: None,
        fields,
        wants_claims: false,
    }
}

fn keyset() -> Arc<Keyset> {
    let key = Key::new("k1", Algorithm::HmacSha256, &[7; 32]).unwrap();
    let options =
        KeysetOptions { name: "media".into(), keys: vec![key], ..KeysetOptions::default() };
    Arc::new(Keyset::new(options).unwrap())
}

#[tokio::test]
async fn playlists_and_segments_say_how_long_they_keep() {
    let world = World::new(json!({}));
    let client = client(&world, shelf(Stock::Ready(made_up(9, START))), &Signer::default());
    for (path, kind, caching) in [
        ("/media/demo/vod/master.m3u8", "application/vnd.apple.mpegurl", "public, max-age=300"),
        ("/media/demo/vod/360p/index.m3u8", "application/vnd.apple.mpegurl", "public, max-age=300"),
        ("/media/demo/live/360p/index.m3u8", "application/vnd.apple.mpegurl", "public, max-age=1"),
        ("/media/demo/live/360p/init.mp4", "video/mp4", "public, max-age=31536000, immutable"),
        ("/media/demo/vod/360p/00008.m4s", "video/mp4", "public, max-age=31536000, immutable"),
        ("/media/demo/live/360p/12.m4s", "video/mp4", "public, max-age=600"),
        ("/media/demo/live/audio/12.m4s", "audio/mp4", "public, max-age=600"),
        ("/media/demo/ll/360p/12.2.m4s", "video/mp4", "public, max-age=600"),
        (
            "/media/demo/ll/360p/index.m3u8?_HLS_msn=12",
            "application/vnd.apple.mpegurl",
            "public, max-age=12",
        ),
        ("/media/demo/vod/manifest.mpd", "application/dash+xml", "public, max-age=300"),
        ("/media/demo/ll/manifest.mpd", "application/dash+xml", "public, max-age=5"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            (answer.field("content-type"), answer.field("cache-control")),
            (kind, caching),
            "{path}"
        );
        assert!(answer.field("surrogate-key").starts_with("media:demo:"));
    }
    let time = client.get("/media/demo/ll/time").await;
    assert_eq!(
        (time.text().as_str(), time.field("cache-control")),
        ("2026-01-01T00:00:00Z", "no-store")
    );
    for path in [
        "vod/360p/8.m4s",
        "vod/360p/00009.m4s",
        "live/360p/99.m4s",
        "live/360p/00.m4s",
        "live/1p/0.m4s",
        "x/360p/0.m4s",
        "ll/360p/14.m4s",
        "ll/360p/13.1.m4s",
        "ll/360p/012.m4s",
        "ll/360p/18446744073709551615.m4s",
        "vod/360p/18446744073709551615.m4s",
    ] {
        assert_eq!(client.get(&format!("/media/demo/{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn without_the_video_the_state_is_clear() {
    let world = World::new(json!({}));
    let lacking = Stock::Lacking("ffmpeg is not installed: apt".into());
    let client = client(&world, shelf(lacking), &Signer::default());
    let session = client.get("/demo/session").await.json();
    assert_eq!((&session["state"], &session["signed"]), (&json!("missing"), &json!(false)));
    assert_eq!(session["advice"], "ffmpeg is not installed: apt");
    let playlist = client.get("/media/demo/live/master.m3u8").await;
    assert_eq!((playlist.status.as_u16(), playlist.field("retry-after")), (503, "2"));
    assert!(!playlist.text().contains("ffmpeg"), "the cause is for the log");
}

#[tokio::test]
async fn a_minted_address_opens_the_stream_until_it_ends() {
    let world = World::new(json!({}));
    let signer = Signer::default();
    signer.set(Some(keyset()));
    let client = client(&world, shelf(Stock::Ready(made_up(9, START))), &signer);
    assert_eq!(client.get("/demo/session?seconds=601").await.status, 422);
    let answer = client.get("/demo/session?seconds=30").await;
    assert_eq!(answer.field("cache-control"), "no-store");
    let session = answer.json();
    assert_eq!(session["expires_at"], "2026-01-01T00:00:30Z");
    let fields = FieldList::default();
    let now = (START / 1_000_000) as u64;
    for (name, bare) in
        [("live", "/media/demo/live/master.m3u8"), ("segment", "/media/demo/vod/360p/00000.m4s")]
    {
        let path = session[name].as_str().unwrap();
        let request = request(path, &fields);
        let keyset = keyset();
        assert_eq!(verify(&keyset, &request, now + 29).unwrap().path(), bare);
        assert!(verify(&keyset, &request, now + 31).is_err());
        assert_eq!(client.get(bare).await.status, 200);
    }
    let elsewhere = session["live"].as_str().unwrap().replace("/media/demo/", "/media/other/");
    assert!(verify(&keyset(), &request(&elsewhere, &fields), now).is_err());
}

/// Cuts the real stream; needs ffmpeg, as everything here does in continuous integration.
#[tokio::test]
async fn ffmpeg_cuts_the_stream_once() {
    if crate::ffmpeg_status().advice().is_some() {
        assert!(std::env::var_os("CI").is_none(), "ffmpeg must be there when CI is set");
        return;
    }
    let world = World::new(json!({}));
    let client = world.client(crate::service(&world.cx, Signer::default()).unwrap());
    wait_ready(&client).await;
    let index = client.get("/media/demo/vod/360p/index.m3u8").await.text();
    assert_eq!(index.matches("#EXTINF:1.92").count(), 30, "{index}");
    let master = client.get("/media/demo/live/master.m3u8").await.text();
    assert_eq!(master.matches("CODECS=\"avc1.").count(), 2, "{master}");
    let init = client.get("/media/demo/live/180p/init.mp4").await;
    assert_eq!(&init.body[4..8], b"ftyp");
    let segment = client.get("/media/demo/live/180p/12.m4s").await;
    assert!(segment.body.windows(4).any(|w| w == b"moof"));

    let before = std::fs::metadata(world.cx.data_dir.join("media/film/stream.json"))
        .unwrap()
        .modified()
        .unwrap();
    let again = world.client(crate::service(&world.cx, Signer::default()).unwrap());
    wait_ready(&again).await;
    let after = std::fs::metadata(world.cx.data_dir.join("media/film/stream.json"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after, "a stream that is there is not cut again");
}

async fn wait_ready(client: &Client) {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let session = client.get("/demo/session").await.json();
        if session["state"] == "ready" {
            return;
        }
        assert!(Instant::now() < until, "{session}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_open_segment_is_its_parts() {
    let world = World::new(json!({}));
    let client = client(&world, shelf(Stock::Ready(made_up(9, START))), &Signer::default());
    world.cx.clock.advance(PART_US * 3 - 100_000);
    let open = client.get("/media/demo/ll/360p/13.m4s").await;
    assert_eq!(
        (open.status, open.field("cache-control")),
        (200.try_into().unwrap(), "public, max-age=600")
    );
    let mut parts = Vec::new();
    world.cx.clock.advance(100_000);
    for part in 0..3 {
        parts.extend(client.get(&format!("/media/demo/ll/360p/13.{part}.m4s")).await.body);
    }
    assert_eq!(open.body, parts);
    assert_eq!(client.get("/media/demo/ll/360p/13.m4s").await.body, parts);
}
