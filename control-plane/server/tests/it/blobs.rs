use bytes::Bytes;
use tidegate_control_client::api::Role;
use tidegate_control_client::{Blobs, Client};

use crate::access::send;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_fetched_once_verified_and_repaired() {
    let mut world = World::start().await;
    let bytes = Bytes::from(vec![7_u8; 3_000_000]);
    let blob = world.admin().blob_put(bytes.clone()).await.unwrap();
    world.admin().blob_put(bytes.clone()).await.unwrap();
    let node = Client::new(&world.url(), &world.token(Role::Node)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(node, folder.path()).unwrap();
    let path = blobs.file(&blob.sha256).await.unwrap();
    std::fs::write(&path, b"damaged").unwrap();
    assert_eq!(blobs.bytes(&blob.sha256).await.unwrap(), bytes);
    assert!(blobs.file(&"0".repeat(64)).await.is_err());
    assert!(blobs.file("../../etc/passwd").await.is_err());
    world.stop().await;
    assert_eq!(blobs.bytes(&blob.sha256).await.unwrap(), bytes, "from the disk");
    blobs.keep_only(&[]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_with_another_hash_are_refused() {
    let world = World::start().await;
    let token = world.token(Role::Admin);
    let path = format!("/v1/blobs/{}", "a".repeat(64));
    let (status, text) = send(&world, "PUT", &path, Some(&token), "other".into()).await;
    assert_eq!(status, 422, "{text}");
    let (status, _) = send(&world, "GET", &path, Some(&token), String::new()).await;
    assert_eq!(status, 404);
}
