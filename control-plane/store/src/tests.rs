use tidegate_control_api::{
    Ack, BlobRef, NodeKind, Phase, Purge, PurgeTarget, Role, RolloutNew, RolloutState, TableBase,
    TableOp, Wave,
};
use tidegate_spec::Spec;
use tidegate_sql::testing::{TestDb, engines, prepare_all};

use crate::{
    AuditNew, OPTIONS, REDACTED, RevisionNew, RolloutStep, STATEMENTS, Seal, Store, StoreError,
};

struct World {
    store: Store,
    folder: tempfile::TempDir,
    db: TestDb,
}

async fn worlds() -> Vec<World> {
    let wrap = |db: TestDb| {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::with_db(db.db.clone(), folder.path(), Seal::new(&[7; 32]).unwrap()).unwrap();
        World { store, folder, db }
    };
    engines(&OPTIONS).await.into_iter().map(wrap).collect()
}

fn spec(origin: &str) -> Spec {
    Spec::proxy_to(origin)
}

fn keyed(key: &str) -> Spec {
    let text = format!("keysets: [{{ name: media, keys: [{{ id: k1, {key} }}] }}]");
    tidegate_spec::read(&text).unwrap()
}

async fn put(store: &Store, spec: Spec) -> u64 {
    store.revision_put(RevisionNew::new(spec, "ann", "")).await.unwrap().0.revision
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_is_prepared_on_both_engines() {
    for world in worlds().await {
        for statements in STATEMENTS {
            let refused = prepare_all(&world.db.db, statements).await;
            assert!(refused.is_empty(), "{}: {refused:?}", world.db.db.engine());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_grow_are_found_again_and_check_what_they_were_made_from() {
    for World { store, .. } in worlds().await {
        assert_eq!(put(&store, spec("http://a:1")).await, 1);
        assert_eq!(put(&store, spec("http://b:1")).await, 2);
        let stale =
            RevisionNew { expect: Some(1), ..RevisionNew::new(spec("http://c:1"), "b", "") };
        let refused = store.revision_put(stale).await.unwrap_err();
        assert!(matches!(refused, StoreError::Stale { current: Some(2) }), "{refused}");
        let same = RevisionNew::new(spec("http://b:1"), "bob", "");
        let (info, changed) = store.revision_put(same).await.unwrap();
        assert_eq!((info.revision, changed), (2, false));
        assert_eq!(put(&store, spec("http://c:1")).await, 3, "no number is lost");
        assert_eq!(store.revision(1).await.unwrap().spec, spec("http://a:1"));
        assert!(matches!(store.revision(9).await, Err(StoreError::NotFound(_))));
        let numbers: Vec<u64> =
            store.revisions(3, 10).await.unwrap().iter().map(|r| r.revision).collect();
        assert_eq!(numbers, [2, 1]);
        assert!(store.audit_verify().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_keys_are_made_once_and_shown_to_nobody() {
    for World { store, .. } in worlds().await {
        put(&store, keyed("generate: true")).await;
        let last = store.revision_last().await.unwrap().unwrap();
        let filled = store.spec_filled(&last.spec).await.unwrap();
        let secret = filled.keysets[0].keys[0].secret.clone().unwrap();
        assert_eq!((secret.expose().len(), filled.hash()), (32, last.info.hash.clone()));
        assert!(last.redacted().to_string().contains("generate"));
        let again = store.spec_filled(&last.spec).await.unwrap();
        assert_eq!(again, filled);
        assert_eq!(
            put(&store, keyed("generate: true")).await,
            1,
            "the same spec is no new revision"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redacted_secret_sent_back_is_the_one_that_was_there() {
    for World { store, .. } in worlds().await {
        let mut unknown = keyed(&format!("secret: {REDACTED}"));
        assert_eq!(store.secrets_restored(&mut unknown).await.unwrap().len(), 1);
        let written = keyed("secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY");
        put(&store, written.clone()).await;
        let last = store.revision_last().await.unwrap().unwrap();
        let mut back = Spec::from_json(&last.redacted()).unwrap();
        assert_ne!(back, written);
        assert!(store.secrets_restored(&mut back).await.unwrap().is_empty());
        assert_eq!(back, written);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificates_private_key_is_not_shown_and_comes_back() {
    for World { store, .. } in worlds().await {
        let with = |key: &str| {
            let text = format!("certificates: [{{ name: a, certificate: chain, key: {key} }}]");
            tidegate_spec::read(&text).unwrap()
        };
        assert_eq!(store.secrets_restored(&mut with(REDACTED)).await.unwrap().len(), 1);
        put(&store, with("hush")).await;
        let last = store.revision_last().await.unwrap().unwrap();
        assert!(!last.redacted().to_string().contains("hush"));
        let mut back = Spec::from_json(&last.redacted()).unwrap();
        assert!(store.secrets_restored(&mut back).await.unwrap().is_empty());
        assert_eq!(back, with("hush"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_table_resumes_or_starts_from_the_base() {
    for World { store, .. } in worlds().await {
        let ops: Vec<_> = (1..=5).map(|n| TableOp::put(format!("d/{n}"))).collect();
        assert_eq!(store.table_append("links", ops.clone()).await.unwrap(), 5);
        let page = store.table_after("links", 3, 10).await.unwrap();
        assert_eq!((page.reset, page.from, page.ops.as_slice()), (false, 3, &ops[3..]));
        let start = store.table_after("links", 0, 10).await.unwrap();
        assert_eq!((start.reset, start.base.is_some(), start.ops.len()), (true, false, 5));
        let blob = BlobRef { sha256: "ab".repeat(32), bytes: 9 };
        let base = TableBase { blob: blob.clone(), seq: 4 };
        assert_eq!(store.table_base_put("links", base).await.unwrap().generation, 1);
        let start = store.table_after("links", 0, 10).await.unwrap();
        assert_eq!((start.base, start.from, start.ops.len()), (Some(blob.clone()), 4, 1));
        let ahead = store.table_after("links", 77, 10).await.unwrap();
        assert!(ahead.reset, "a reader with another past starts anew");
        for seq in [3, 6] {
            let base = TableBase { blob: blob.clone(), seq };
            assert!(store.table_base_put("links", base).await.is_err(), "{seq}");
        }
        assert_eq!(store.table_head("links").await.unwrap().generation, 1);
        assert!(store.table_append("bad name", ops).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_from_many_sides_leave_no_gap() {
    for World { store, .. } in worlds().await {
        let appends: Vec<_> = (0..40)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    store.table_append("t", vec![TableOp::put(format!("k{n}"))]).await.unwrap()
                })
            })
            .collect();
        let mut seqs = Vec::new();
        for append in appends {
            seqs.push(append.await.unwrap());
        }
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=40).collect::<Vec<_>>());
        assert_eq!(store.table_after("t", 1, 100).await.unwrap().ops.len(), 39);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_seen_acknowledge_and_go_away() {
    for World { store, .. } in worlds().await {
        store.node_seen("e1", NodeKind::Edge, 0).await.unwrap();
        let ack = |revision, phase| Ack { revision, hash: "h".into(), phase, problems: vec![] };
        store.node_ack("e1", ack(2, Phase::Healthy)).await.unwrap();
        store.node_ack("e1", ack(1, Phase::Rejected)).await.unwrap();
        let node = store.nodes().await.unwrap().remove(0);
        assert_eq!((node.acked, node.phase), (Some(2), Some(Phase::Healthy)), "late news is old");
        assert!(node.is_live(node.seen_at));
        store.node_away("e1", node.seen_at - 1).await.unwrap();
        assert!(!store.nodes().await.unwrap()[0].away, "a newer sign of life wins");
        store.node_away("e1", node.seen_at + 1_000_000).await.unwrap();
        assert!(store.nodes().await.unwrap()[0].away);
        assert!(store.node_beat("e2", Default::default()).await.is_err());
        store.node_drop("e1", "ann").await.unwrap();
        assert!(store.nodes().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purges_are_a_sequence() {
    for World { store, .. } in worlds().await {
        let purge = Purge::new(vec![PurgeTarget::Tag("a".into())]);
        assert_eq!(store.purge_add(&purge, "ann").await.unwrap(), 1);
        assert_eq!(store.purge_add(&purge, "ann").await.unwrap(), 2);
        assert_eq!(store.purges_after(1, 10).await.unwrap()[0].seq, 2);
        assert!(store.purge_add(&Purge::new(vec![]), "ann").await.is_err());
        assert_eq!(store.heads().await.unwrap().purge, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_is_stepped_once_and_keeps_others_out() {
    for World { store, .. } in worlds().await {
        put(&store, spec("http://a:1")).await;
        let plan = RolloutNew { waves: vec![Wave::Percent(10)], ..RolloutNew::default() };
        let new = RevisionNew { rollout: plan, ..RevisionNew::new(spec("http://b:1"), "ann", "") };
        store.revision_put(new).await.unwrap();
        let other = store.revision_put(RevisionNew::new(spec("http://c:1"), "bob", "")).await;
        assert!(matches!(other, Err(StoreError::RolloutRunning(2))));
        let step = RolloutStep {
            revision: 2,
            from_wave: 0,
            state: RolloutState::Running,
            wave: 1,
            nodes: vec!["e1".into()],
            reason: String::new(),
            actor: "gates".into(),
        };
        assert!(store.rollout_step(step.clone()).await.unwrap());
        assert!(!store.rollout_step(step).await.unwrap(), "the second sees another wave");
        let rollout = store.rollout().await.unwrap().unwrap();
        assert_eq!(
            (rollout.wave, rollout.nodes, rollout.base),
            (1, vec!["e1".to_owned()], Some(1))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tampered_audit_log_is_found() {
    tidegate_sql::statements! {
        TAMPER_STATEMENTS:
        TAMPER = "UPDATE audit SET actor = 'eve' WHERE seq = 2";
    }
    for World { store, db, .. } in worlds().await {
        for n in 0..3 {
            let entry = AuditNew::ok("ann", "test", n.to_string());
            store.audit_add(entry).await.unwrap();
        }
        assert!(store.audit_verify().await.unwrap());
        assert_eq!(store.audit_page(0, 2).await.unwrap()[0].seq, 3);
        let done: tidegate_sql::Result<u64> =
            db.db.write(async |tx| tx.exec(&TAMPER, &[]).await).await;
        assert_eq!(done.unwrap(), 1);
        assert!(!store.audit_verify().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_found_by_their_secret_only() {
    for World { store, .. } in worlds().await {
        store.token_add("ci", Role::Purger, "s3cret", "ann").await.unwrap();
        assert!(store.token_add("ci", Role::Admin, "other", "ann").await.is_err());
        assert_eq!(store.token_find("s3cret").await.unwrap().unwrap().role, Role::Purger);
        assert!(store.token_find("wrong").await.unwrap().is_none());
        store.token_drop("ci", "ann").await.unwrap();
        assert!(store.token_find("s3cret").await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_is_there_whole_or_not_at_all() {
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // SHA-256 of "abc", FIPS 180-2
    for World { store, folder, .. } in worlds().await {
        let mut upload = store.blob_upload().unwrap();
        upload.push(b"ab").unwrap();
        assert!(store.blob_path(hash).is_none());
        upload.push(b"c").unwrap();
        assert_eq!(upload.finish(hash).unwrap().bytes, 3);
        assert_eq!(store.blob_path(hash).unwrap().1, 3);
        let mut wrong = store.blob_upload().unwrap();
        wrong.push(b"abd").unwrap();
        assert!(wrong.finish(hash).is_err());
        assert!(store.blob_path("../../etc/passwd").is_none());
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "no half upload stays");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_has_no_key_in_the_clear_and_another_seal_opens_nothing() {
    let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    for World { store, folder, db } in worlds().await {
        put(&store, keyed(&format!("secret: {secret}"))).await;
        let other =
            Store::with_db(db.db.clone(), folder.path(), Seal::new(&[8; 32]).unwrap()).unwrap();
        let refused = other.revision_last().await.unwrap_err();
        assert!(refused.to_string().contains("sealed with another key"), "{refused}");
        if let Some(path) = db.address.strip_prefix("sqlite:") {
            let bytes = [path.to_owned(), format!("{path}-wal")].map(|p| std::fs::read(p).unwrap());
            let text = String::from_utf8_lossy(&bytes.concat()).into_owned();
            assert!(!text.contains(secret) && !text.contains("0123456789abcdef"));
        }
    }
}

#[test]
fn a_sealed_value_opens_in_its_place_only_and_unchanged_only() {
    let seal = Seal::new(&[1; 32]).unwrap();
    let sealed = seal.close("here", b"secret").unwrap();
    assert_eq!(seal.open("here", &sealed).unwrap(), b"secret");
    assert!(seal.open("there", &sealed).is_err());
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(seal.open("here", &changed).is_err(), "{at}");
        assert!(seal.open("here", &sealed[..at]).is_err(), "{at}");
    }
}
