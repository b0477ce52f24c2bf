use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use tidegate_cache::{Key, TagId};

use super::*;
use crate::Store;
use crate::tests::support::{Ask, ask, bytes_of, config};

const FRESH: &str = "cache-control: max-age=60\nsurrogate-key: red";
/// Tells a copy of this test program to fill the folder and be killed.
const CHILD: &str = "TIDEGATE_TEST_DISK_CHILD";

fn open(dir: &Path) -> (Store, Arc<DiskTier>) {
    open_sized(dir, 64 << 20)
}

fn open_sized(dir: &Path, bytes_max: u64) -> (Store, Arc<DiskTier>) {
    let tier = Arc::new(DiskTier::open(&DiskConfig::new(dir, bytes_max)).unwrap());
    let mut config = config();
    config.seed = tier.seed();
    (Store::with_tier(config, Some(Arc::clone(&tier) as Arc<dyn Tier>)), tier)
}

/// Whether a request is answered from disk, and with what.
async fn recall(store: &Store, ask: &Ask) -> Option<Vec<u8>> {
    store.recall(&ask.key, &ask.fields).await.map(|object| bytes_of(&object))
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open(dir.path());
    let large = "x".repeat(200_000);
    for (path, body) in [("/a", "body"), ("/large", &large), ("/empty", "")] {
        ask(&store, path, "").store(&store, FRESH, body).await;
    }
    for v in ["1", "2"] {
        let ask = ask(&store, "/v", &format!("v: {v}"));
        ask.store(&store, "cache-control: max-age=60\nvary: v", v).await;
    }
    tier.flush();
    drop((store, tier));
    let (store, tier) = open(dir.path());
    for (path, body) in [("/a", "body"), ("/large", &large), ("/empty", "")] {
        let ask = ask(&store, path, "");
        assert!(ask.lookup(&store).is_err());
        assert_eq!(recall(&store, &ask).await.as_deref(), Some(body.as_bytes()), "{path}");
        assert!(ask.lookup(&store).is_ok());
    }
    for v in ["1", "2"] {
        let ask = ask(&store, "/v", &format!("v: {v}"));
        assert_eq!(recall(&store, &ask).await.as_deref(), Some(v.as_bytes()));
    }
    assert_eq!(recall(&store, &ask(&store, "/v", "v: 3")).await, None);
    assert_eq!(tier.stats().keys, 4);
    assert_eq!(store.stats().recalled_total, 5 + 1);
}

#[tokio::test]
async fn a_newer_response_replaces_the_older_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open(dir.path());
    let ask = ask(&store, "/a", "");
    ask.store(&store, FRESH, "old").await;
    ask.clone().at(ask.now_ms + 1).store(&store, FRESH, "new").await;
    tier.flush();
    drop((store, tier));
    let (store, _tier) = open(dir.path());
    assert_eq!(recall(&store, &ask).await.as_deref(), Some(&b"new"[..]));
}

/// A 304 for a large response does not write its body again.
#[tokio::test]
async fn only_small_responses_are_rewritten_when_freshened() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open(dir.path());
    for (path, size, writes) in [("/small", 100, 2), ("/large", 200_000, 3)] {
        let ask = ask(&store, path, "");
        let old = ask.store(&store, FRESH, &"x".repeat(size)).await;
        let new = store.renew(&old, old.meta().clone(), old.fields().clone());
        assert!(Arc::ptr_eq(&ask.lookup(&store).unwrap(), &new));
        tier.flush();
        assert_eq!(tier.stats().written_total, writes, "{path}");
    }
}

#[tokio::test]
async fn purges_outlive_the_process() {
    let url = "https://a.example/a";
    for (purge, fits) in [
        (Purge::Url(url.into()), true),
        (Purge::Tag(TagId::new(b"red")), true),
        (Purge::Prefix("a.example/".into()), true),
        (Purge::Everything, true),
        (Purge::Host("b.example".into()), false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (store, tier) = open(dir.path());
        ask(&store, "/a", "").store(&store, FRESH, "old").await;
        tier.flush();
        store.purge(&purge, PurgeKind::Hard);
        ask(&store, "/b", "").store(&store, FRESH, "after").await;
        tier.flush();
        drop((store, tier));
        let (store, tier) = open(dir.path());
        assert_eq!(recall(&store, &ask(&store, "/a", "")).await.is_none(), fits, "{purge:?}");
        assert!(recall(&store, &ask(&store, "/b", "")).await.is_some(), "{purge:?}");
        // A purge after the restart is newer than what came before it.
        store.purge(&purge, PurgeKind::Hard);
        drop((store, tier));
        let (store, _tier) = open(dir.path());
        let gone = recall(&store, &ask(&store, "/b", "")).await.is_none();
        assert_eq!(gone, fits && purge != Purge::Url(url.into()), "{purge:?}");
    }
}

#[tokio::test]
async fn a_purge_by_key_forgets_on_disk_too() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open(dir.path());
    let ask = ask(&store, "/a", "");
    ask.store(&store, FRESH, "old").await;
    store.purge(&Purge::Key(ask.key), PurgeKind::Hard);
    tier.flush();
    assert_eq!(tier.stats().keys, 0);
    drop((store, tier));
    let (store, tier) = open(dir.path());
    assert_eq!(tier.stats().keys, 0);
    assert_eq!(recall(&store, &ask).await, None);
}

#[tokio::test]
async fn damaged_bytes_are_never_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open(dir.path());
    let asks: Vec<_> = (0..40).map(|n| ask(&store, &format!("/{n}"), "")).collect();
    for (n, ask) in asks.iter().enumerate() {
        ask.store(&store, FRESH, &n.to_string().repeat(500)).await;
    }
    tier.flush();
    drop((store, tier));
    let path = segment::path(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    // The index at the end stays whole, so that the damage is met when a record is read.
    for at in (100..20_000).step_by(1_777) {
        bytes[at] ^= 0x10;
    }
    fs::write(&path, bytes).unwrap();
    let (store, tier) = open(dir.path());
    let mut found = 0;
    for (n, ask) in asks.iter().enumerate() {
        if let Some(body) = recall(&store, ask).await {
            assert_eq!(body, n.to_string().repeat(500).into_bytes());
            found += 1;
        }
    }
    let corrupt = tier.stats().corrupt_total;
    assert!(corrupt > 5 && found + corrupt == 40, "{found} found, {corrupt} corrupt");
    assert!(tier.stats().on);
}

#[tokio::test]
async fn a_segment_without_its_index_is_scanned() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open(dir.path());
    let asks: Vec<_> = (0..20).map(|n| ask(&store, &format!("/{n}"), "")).collect();
    for ask in &asks {
        ask.store(&store, FRESH, "body").await;
    }
    tier.flush();
    drop((store, tier));
    let path = segment::path(dir.path(), 0);
    let lines = segment::read_lines(&File::open(&path).unwrap()).unwrap().unwrap();
    // As if the process had died within the sixteenth record.
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(u64::from(lines[15].offset) + 20).unwrap();
    let (store, tier) = open(dir.path());
    assert_eq!(tier.stats().keys, 15);
    for (n, ask) in asks.iter().enumerate() {
        assert_eq!(recall(&store, ask).await.is_some(), n < 15, "{n}");
    }
}

#[tokio::test]
async fn the_capacity_holds_and_what_is_used_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open_sized(dir.path(), 16 << 20);
    let body = "x".repeat(100_000);
    let popular = ask(&store, "/popular", "");
    popular.store(&store, FRESH, &body).await;
    for n in 0..600 {
        let ask = ask(&store, &format!("/{n}"), "");
        ask.store(&store, FRESH, &body).await;
        tier.flush();
        assert!(tier.stats().bytes <= 16 << 20);
        if n % 20 == 0 {
            let found = tier.recall(popular.key).await;
            assert_eq!(found.len(), 1, "lost after {n}");
        }
    }
    let stats = tier.stats();
    assert!(stats.keys > 80 && stats.evicted_total > 300, "{stats:?}");
    let files: u64 =
        fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(files <= (16 << 20) + 4096, "{files}");
}

#[tokio::test]
async fn a_full_disk_turns_the_tier_off_and_the_node_serves_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open_sized(dir.path(), 16 << 20);
    // The next segment lies on a full device.
    symlink("/dev/full", segment::path(dir.path(), 1)).unwrap();
    let body = "x".repeat(200_000);
    for n in 0..10 {
        ask(&store, &format!("/{n}"), "").store(&store, FRESH, &body).await;
    }
    tier.flush();
    assert!(!tier.stats().on);
    let last = ask(&store, "/9", "");
    assert!(last.lookup(&store).is_ok());
    assert_eq!(recall(&store, &ask(&store, "/0", "")).await, None);
}

#[test]
fn a_folder_has_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let config = DiskConfig::new(dir.path(), 16 << 20);
    let first = DiskTier::open(&config).unwrap();
    assert!(matches!(DiskTier::open(&config), Err(DiskError::InUse { .. })));
    drop(first);
    DiskTier::open(&config).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let error = DiskTier::open(&DiskConfig::new("/dev/null/cache", 1 << 20)).unwrap_err();
    assert!(error.to_string().starts_with("cache folder /dev/null/cache: "), "{error}");
}

/// The bytes that belong to a path, so that a reader can tell whether they are whole.
fn content(path: &str) -> String {
    let number: usize = path[1..].parse().unwrap();
    path.repeat(1 + number * 7919 % 9_000)
}

/// Not a test: what the killed process does.
#[tokio::test]
async fn child_fills_until_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let (store, _tier) = open_sized(Path::new(&dir), 24 << 20);
    for n in 0.. {
        let path = format!("/{}", n % 3_000);
        ask(&store, &path, "").store(&store, FRESH, &content(&path)).await;
    }
}

/// `TIDEGATE_KILLS` sets how often.
#[tokio::test]
async fn killed_at_any_moment_everything_served_is_whole() {
    let kills = std::env::var("TIDEGATE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6u64);
    let dir = tempfile::tempdir().unwrap();
    let mut served = 0;
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "disk::tests::child_fills_until_killed"])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 + round * 37 % 90));
        child.kill().unwrap();
        child.wait().unwrap();
        let (store, tier) = open_sized(dir.path(), 24 << 20);
        for n in 0..3_000 {
            let path = format!("/{n}");
            let ask = ask(&store, &path, "");
            if let Some(body) = recall(&store, &ask).await {
                assert!(body == content(&path).as_bytes(), "{path} is not whole");
                served += 1;
            }
        }
        assert_eq!(tier.stats().corrupt_total, 0);
    }
    assert!(served > 100 * kills, "too few to mean anything: {served}");
}

/// `TIDEGATE_START_OBJECTS` sets how many; the time is printed.
#[tokio::test]
async fn a_large_tier_opens_with_everything_in_it() {
    let objects = std::env::var("TIDEGATE_START_OBJECTS").ok().and_then(|n| n.parse().ok());
    let objects: u64 = objects.unwrap_or(20_000);
    let dir = tempfile::tempdir().unwrap();
    let (store, tier) = open_sized(dir.path(), (objects * 1_600).max(64 << 20));
    let body = "x".repeat(1_024);
    for n in 0..objects {
        ask(&store, &format!("/{n}"), "").store(&store, FRESH, &body).await;
        if n % 1_000 == 0 {
            tier.flush();
        }
    }
    tier.flush();
    drop((store, tier));
    let began = std::time::Instant::now();
    let (store, tier) = open_sized(dir.path(), (objects * 1_600).max(64 << 20));
    println!("{objects} objects, {} bytes: open in {:?}", tier.stats().bytes, began.elapsed());
    assert_eq!(tier.stats().keys, objects);
    for n in [0, objects / 2, objects - 1] {
        let found = recall(&store, &ask(&store, &format!("/{n}"), "")).await;
        assert_eq!(found.as_deref(), Some(body.as_bytes()), "/{n}");
    }
}

#[test]
fn the_journal_is_bounded_and_loses_no_purge() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("purges");
    let journal = Journal::open(&path).unwrap();
    let purge = |n: u64| Purge::Key(Key::from_u128(u128::from(n)));
    let count = crate::PURGES_MAX as u64 + 10;
    for n in 1..=count {
        journal.append(&purge(n), PurgeKind::Hard, n).unwrap();
    }
    let records = journal.read();
    assert_eq!(records.len(), crate::PURGES_MAX + 1);
    assert_eq!((&records[0].purge, records[0].generation), (&Purge::Everything, 10));
    // A torn end is not a purge.
    drop(journal);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 3);
    fs::write(&path, bytes).unwrap();
    let records = Journal::open(&path).unwrap().read();
    assert_eq!(records.last().unwrap().generation, count - 1);
}
