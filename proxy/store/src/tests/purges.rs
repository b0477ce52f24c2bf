use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tidegate_cache::{Key, Reason, TagId};

use super::support::*;
use crate::{Flight, Object, Purge, PurgeKind, Recalled, Store, Tier};

const FRESH: &str = "cache-control: max-age=60\nsurrogate-key: red\nvary: v";

fn purges() -> Vec<(Purge, bool)> {
    let url = |text: &str| Purge::Url(text.into());
    let prefix = |text: &str| Purge::Prefix(text.into());
    let host = |text: &str| Purge::Host(text.into());
    vec![
        (url("https://a.example/x/1"), true),
        (url("https://a.example/x"), false),
        (url("http://a.example/x/1"), false),
        (Purge::Tag(TagId::new(b"RED")), true),
        (Purge::Tag(TagId::new(b"blue")), false),
        (prefix("https://a.example/x/"), true),
        (prefix("a.example/x"), true),
        (prefix("https://a.example/y"), false),
        (host("A.example"), true),
        (host("b.example"), false),
        (Purge::Everything, true),
    ]
}

/// Two variants of one URL, stored.
async fn stored(store: &Store) -> [Ask; 2] {
    let asks = ["1", "2"].map(|v| ask(store, "/x/1", &format!("v: {v}")));
    for ask in &asks {
        ask.store(store, FRESH, "body").await;
    }
    asks
}

#[tokio::test]
async fn a_hard_purge_takes_out_every_variant_it_names() {
    for (purge, fits) in purges() {
        let store = store();
        let asks = stored(&store).await;
        store.purge(&purge, PurgeKind::Hard);
        for ask in &asks {
            assert_eq!(ask.lookup(&store).is_err(), fits, "{purge:?}");
        }
        assert_eq!(store.stats().purged_total, if fits { 2 } else { 0 }, "{purge:?}");
        asks[0].store(&store, FRESH, "new").await;
        assert!(asks[0].lookup(&store).is_ok(), "{purge:?}");
    }
}

#[tokio::test]
async fn a_purge_by_key() {
    let store = store();
    let asks = stored(&store).await;
    store.purge(&Purge::Key(asks[0].key), PurgeKind::Hard);
    assert_eq!(asks[0].lookup(&store).unwrap_err(), Reason::UriMiss);
    assert_eq!(store.stats().keys, 0);
}

#[tokio::test]
async fn a_soft_purge_makes_stale() {
    for (purge, fits) in purges() {
        let store = store();
        let asks = stored(&store).await;
        store.purge(&purge, PurgeKind::Soft { now_ms: NOW_MS + 5 });
        let found = asks[0].lookup(&store).unwrap().stale_from_ms();
        assert_eq!(found, fits.then_some(NOW_MS + 5), "{purge:?}");
        store.purge(&purge, PurgeKind::Hard);
        assert_eq!(asks[0].lookup(&store).is_err(), fits, "{purge:?}");
    }
}

/// The response was asked for before the purge, so it may be what was purged.
#[tokio::test]
async fn a_fill_that_began_before_a_purge_is_not_served_after_it() {
    for (purge, fits) in purges() {
        let store = store();
        let ask = ask(&store, "/x/1", "");
        let (mut fill, reader) = ask.lead(&store);
        ask.head(&mut fill, 200, FRESH);
        fill.body("old".into()).await.unwrap();
        store.purge(&purge, PurgeKind::Hard);
        let joined = matches!(ask.begin(&store), Flight::Join(_));
        assert_eq!(joined, !fits, "{purge:?}");
        fill.finish().unwrap();
        assert_eq!(ask.lookup(&store).is_err(), fits, "{purge:?}");
        // Who asked before the purge gets it all the same.
        assert_eq!(read(reader).await.unwrap(), b"old");
    }
}

/// Before the head its tags are not known.
#[tokio::test]
async fn a_purge_by_tag_concerns_every_fill_without_head() {
    let store = store();
    let ask = ask(&store, "/x/1", "");
    let (_fill, _reader) = ask.lead(&store);
    store.purge(&Purge::Tag(TagId::new(b"any")), PurgeKind::Hard);
    let (_fill, _reader) = ask.lead(&store);
    ask.join(&store);
}

#[tokio::test]
async fn a_sweep_reclaims_and_forgets() {
    let store = store();
    for n in 0..50 {
        ask(&store, &format!("/x/{n}"), "").store(&store, FRESH, "body").await;
        ask(&store, &format!("/y/{n}"), "").store(&store, FRESH, "body").await;
    }
    store.purge(&Purge::Prefix("a.example/x/".into()), PurgeKind::Hard);
    assert_eq!(store.stats().keys, 100);
    assert_eq!(store.sweep(), 50);
    assert_eq!(store.stats().keys, 50);
    assert_eq!(store.0.purges.len(), 0);
    assert_eq!(store.sweep(), 0);
}

/// A fill that runs while its purge is swept must not bring back what was purged.
#[tokio::test]
async fn a_sweep_keeps_the_purges_that_fills_still_have_to_meet() {
    let store = store();
    let ask = ask(&store, "/x/1", "");
    let (mut fill, _reader) = ask.lead(&store);
    store.purge(&Purge::Prefix(ask.url.clone()), PurgeKind::Hard);
    store.sweep();
    ask.head(&mut fill, 200, FRESH);
    fill.body("old".into()).await.unwrap();
    fill.finish().unwrap();
    assert_eq!(ask.lookup(&store).unwrap_err(), Reason::Purged);
}

#[tokio::test]
async fn more_purges_than_are_kept_purge_more_never_less() {
    let store = store();
    let old = stored(&store).await;
    store.purge(&Purge::Prefix(old[0].url.clone()), PurgeKind::Hard);
    for n in 0..crate::PURGES_MAX as u64 {
        store.purge(&Purge::Tag(TagId::from_u64(n)), PurgeKind::Hard);
    }
    assert!(store.0.purges.len() <= crate::PURGES_MAX);
    assert!(old[0].lookup(&store).is_err());
    let new = stored(&store).await;
    assert!(new[0].lookup(&store).is_ok());
}

#[tokio::test]
async fn many_purges_are_swept_by_themselves() {
    let store = store();
    let asks = stored(&store).await;
    for n in 0..=crate::PURGES_MAX as u64 / 2 {
        store.purge(&Purge::Tag(TagId::from_u64(n)), PurgeKind::Hard);
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.0.purges.len() > crate::PURGES_MAX / 2 {
        assert!(Instant::now() < deadline, "never swept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(asks[0].lookup(&store).is_ok());
}

/// Anybody can send unsafe requests: what they invalidate must not push out the purges that count.
#[tokio::test]
async fn a_flood_of_purges_by_url_leaves_no_marks() {
    let store = store();
    let asks = stored(&store).await;
    for n in 0..10_000 {
        store.purge(&Purge::Url(format!("https://a.example/{n}")), PurgeKind::Hard);
    }
    assert_eq!(store.0.purges.len(), 0);
    assert!(asks[0].lookup(&store).is_ok());
}

/// With key parts one URL has many keys, which only a mark reaches.
#[tokio::test]
async fn a_purge_by_url_reaches_every_key_of_it() {
    let store = store();
    let mut parted = ask(&store, "/x/1", "");
    parted.key = Key::from_u128(77);
    parted.store(&store, FRESH, "body").await;
    let plain = ask(&store, "/x/1", "");
    plain.store(&store, FRESH, "body").await;
    store.purge(&Purge::Url(plain.url.clone()), PurgeKind::Hard);
    assert!(plain.lookup(&store).is_err());
    assert!(parted.lookup(&store).is_err());
}

/// A tier that is purged while it is being read.
struct PurgedWhileRead(OnceLock<(Store, Ask, Arc<Object>)>);

impl Tier for PurgedWhileRead {
    fn recall(&self, _: Key) -> Recalled<'_> {
        let (store, ask, object) = self.0.get().unwrap();
        store.purge(&Purge::Url(ask.url.clone()), PurgeKind::Hard);
        Box::pin(std::future::ready(vec![Arc::clone(object)]))
    }

    fn offer(&self, _: Arc<Object>) {}

    fn forget(&self, _: Key) {}

    fn holds(&self, _: Key) -> bool {
        false
    }

    fn has_key_parts(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_read_from_disk_does_not_bring_back_what_was_purged_meanwhile() {
    let tier = Arc::new(PurgedWhileRead(OnceLock::new()));
    let store = Store::with_tier(config(), Some(Arc::clone(&tier) as Arc<dyn Tier>));
    let ask = ask(&store, "/a", "");
    let object = ask.store(&store, FRESH, "old").await;
    let _ = tier.0.set((store.clone(), ask.clone(), object));
    assert!(store.recall(&ask.key, &ask.fields).await.is_none());
    assert!(ask.lookup(&store).is_err());
}
