use proptest::prelude::*;
use tidegate_http::FieldList;

use super::*;

fn text() -> impl Strategy<Value = Box<str>> {
    "[a-z/]{0,12}".prop_map(Box::from)
}

fn maybe_bytes() -> impl Strategy<Value = Option<Box<[u8]>>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..8).prop_map(Box::from))
}

prop_compose! {
    fn metas()(
        numbers: (u64, u32, u64, u64, u32), source in 0..LifetimeSource::ALL.len(), windows: (u32, u32),
        flags: (bool, bool, bool), etag in maybe_bytes(), modified in prop::option::of(0u64..1 << 40),
        vary in prop::collection::vec((text(), maybe_bytes()), 0..3),
        tags in prop::collection::vec(any::<u64>(), 0..3), withheld in prop::collection::vec(text(), 0..3),
    ) -> Meta {
        let (date_s, age_s, request_ms, response_ms, seconds) = numbers;
        Meta {
            status: 200,
            sums: AgeSums { date_s, age_s, request_ms, response_ms },
            lifetime: Lifetime { seconds, source: LifetimeSource::ALL[source] },
            while_revalidate_s: windows.0,
            if_error_s: windows.1,
            must_revalidate: flags.0,
            no_cache: flags.1,
            immutable: flags.2,
            validators: Validators { etag, last_modified_s: modified },
            vary: Vary::from_pairs(vary),
            tags: tags.into_iter().map(TagId::from_u64).collect(),
            withheld: withheld.into(),
        }
    }
}

fn purges() -> impl Strategy<Value = Purge> {
    prop_oneof![
        any::<u128>().prop_map(|n| Purge::Key(Key::from_u128(n))),
        text().prop_map(|t| Purge::Url(t.into())),
        any::<u64>().prop_map(|n| Purge::Tag(TagId::from_u64(n))),
        text().prop_map(|t| Purge::Prefix(t.into())),
        text().prop_map(|t| Purge::Host(t.into())),
        Just(Purge::Everything),
    ]
}

proptest! {
    #[test]
    fn objects_come_back_as_they_were(meta in metas(), url in text(), generation: u64, key: u128) {
        let identity = Identity { key: Key::from_u128(key), url, generation };
        let fields: FieldList = [("a", "1"), ("b", "2")].into_iter().collect();
        let object = Object::new(identity, meta, fields, Body::One("body".into()));
        let mut bytes = Vec::new();
        write_object(&object, &mut bytes);
        let mut read = Bytes::from(bytes);
        let back = read_object(&mut read, Body::One("body".into())).unwrap();
        prop_assert!(read.is_empty());
        prop_assert_eq!(back.meta(), object.meta());
        prop_assert_eq!(back.head(), object.head());
        prop_assert_eq!((back.key(), back.url(), back.generation()), (object.key(), object.url(), generation));
    }

    #[test]
    fn purges_come_back_as_they_were(purge in purges(), soft in prop::option::of(0u64..1 << 50), generation: u64) {
        let kind = soft.map_or(PurgeKind::Hard, |now_ms| PurgeKind::Soft { now_ms });
        let mut bytes = Vec::new();
        write_purge(&purge, kind, generation, &mut bytes);
        prop_assert_eq!(read_purge(&mut bytes.into()), Some((purge, kind, generation)));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_object(&mut bytes.clone().into(), Body::One(Bytes::new()));
        let _ = read_purge(&mut bytes.into());
    }
}
