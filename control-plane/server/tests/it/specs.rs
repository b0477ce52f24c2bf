use std::path::Path;

use tidegate_control_client::api::ChangeKind;
use tidegate_control_client::{Apply, ClientError};

use crate::world::{World, respond};

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_is_applied_read_and_found_in_the_history() {
    let world = World::start().await;
    let admin = world.admin();
    assert_eq!(admin.spec_get().await.unwrap(), None);
    let why = Apply { message: "first – größer".into(), ..Apply::default() };
    let applied = admin.spec_apply(&respond("one"), Path::new("."), &why).await.unwrap();
    assert_eq!((applied.revision.revision, applied.changed), (1, true));
    assert_eq!(
        (applied.revision.author.as_str(), applied.revision.message.as_str()),
        ("root", "first – größer")
    );
    let fetched = admin.spec_get().await.unwrap().unwrap();
    assert_eq!(fetched.spec["sites"][0]["name"], "demo");
    let yaml = admin.spec_get_yaml().await.unwrap();
    assert!(tidegate_spec::read(&yaml).is_ok(), "{yaml}");
    let again = admin.spec_apply(&yaml, Path::new("."), &Apply::default()).await.unwrap();
    assert_eq!((again.revision.revision, again.changed), (1, false), "the same spec is no change");
    world.apply(&respond("two")).await;
    let back = admin.rollback(1).await.unwrap();
    assert_eq!((back.revision.revision, back.revision.rollback_of), (3, Some(1)));
    assert_eq!(back.revision.hash, applied.revision.hash);
    let page = admin.revisions(0).await.unwrap();
    assert_eq!(page.revisions.iter().map(|r| r.revision).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(admin.rollback(77).await.unwrap_err().status(), Some(404));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_spec_is_refused_with_every_problem_and_changes_nothing() {
    let world = World::start().await;
    world.apply(&respond("one")).await;
    let broken = "sites:\n  - name: demo\n    hosts: [\"*\"]\n    routes:\n      - match: { path: \"/x\" }\n        action: { proxy: nowhere }\n        limits: [missing]\n";
    let admin = world.admin();
    let refused = admin.spec_apply(broken, Path::new("."), &Apply::default()).await.unwrap_err();
    assert_eq!((refused.status(), refused.problems().len()), (Some(422), 2), "{refused}");
    for problem in refused.problems() {
        assert!(
            problem.path.starts_with("sites[0].routes[0]") && problem.line.is_some(),
            "{problem}"
        );
    }
    let slips = "sitez: []\nlimits: [{ name: a, rate: fast }]\n";
    let refused = admin.spec_apply(slips, Path::new("."), &Apply::default()).await.unwrap_err();
    assert!(refused.problems().len() >= 2, "{refused}");
    assert_eq!(admin.spec_validate(broken, Path::new(".")).await.unwrap_err().status(), Some(422));
    assert_eq!(admin.revisions(0).await.unwrap().revisions.len(), 1);
    let audit = admin.audit(0, true).await.unwrap();
    assert_eq!(audit.verified, Some(true));
    assert_eq!(audit.entries[0].outcome, "spec-invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_names_what_it_was_made_from() {
    let world = World::start().await;
    let admin = world.admin();
    world.apply(&respond("one")).await;
    let tag = admin.spec_get().await.unwrap().unwrap().etag;
    let apply = |text: String, tag: &str| {
        let apply = Apply { if_match: Some(tag.to_owned()), ..Apply::default() };
        let admin = admin.clone();
        async move { admin.spec_apply(&text, Path::new("."), &apply).await }
    };
    apply(respond("two"), &tag).await.unwrap();
    let refused = apply(respond("three"), &tag).await.unwrap_err();
    assert_eq!(refused.status(), Some(412), "{refused}");
    assert_eq!(apply(respond("three"), "\"nonsense\"").await.unwrap_err().status(), Some(412));
    assert_eq!(admin.spec_get().await.unwrap().unwrap().etag, "\"r2\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_changes_by_name_and_makes_none() {
    let world = World::start().await;
    world.apply(&respond("one")).await;
    let admin = world.admin();
    let next = respond("two") + "limits: [{ name: all, key: [client_ip], rate: 5/s, burst: 5 }]\n";
    let checked = admin.spec_validate(&next, Path::new(".")).await.unwrap();
    let changes: Vec<_> = checked.changes.iter().map(|c| (c.path.as_str(), c.kind)).collect();
    let body = "sites[demo].routes[0].action.respond.body";
    assert_eq!(changes, [("limits[all]", ChangeKind::Added), (body, ChangeKind::Changed)]);
    assert_eq!(checked.base, Some(1));
    assert_eq!(admin.revisions(0).await.unwrap().revisions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_never_shown_and_survive_a_change_by_a_person_who_cannot_see_them() {
    let world = World::start().await;
    let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let keys = format!(
        "keysets: [{{ name: media, keys: [{{ id: old, secret: {secret} }}, {{ id: new, generate: true }}] }}]\n"
    );
    world.apply(&(respond("one") + &keys)).await;
    let admin = world.admin();
    let shown = admin.spec_get_yaml().await.unwrap();
    assert!(!shown.contains(secret) && shown.contains("redacted"), "{shown}");
    let applied = admin
        .spec_apply(&shown.replace("one", "two"), Path::new("."), &Apply::default())
        .await
        .unwrap();
    assert_eq!(applied.changes.len(), 1, "only the body: {:?}", applied.changes);
    let edge = world.edge("e1").await;
    edge.until_revision(2).await;
    let update = edge.seen.specs.lock().unwrap()[0].clone();
    let keys = &update.spec.keysets[0].keys;
    assert_eq!(keys[0].secret.as_ref().unwrap().expose(), b"0123456789abcdef0123456789abcdef");
    assert_eq!(keys[1].secret.as_ref().unwrap().expose().len(), 32);
    assert_eq!(update.spec.hash(), update.hash, "what runs has the hash that the revision has");
    let audit = format!("{:?}", admin.audit(0, false).await.unwrap());
    assert!(!audit.contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn plugin_modules_are_uploaded_and_named_by_hash() {
    let world = World::start().await;
    let admin = world.admin();
    let folder = tempfile::tempdir().unwrap();
    let spec = respond("one") + "plugins: [{ name: bad-bot, module: { file: bot.wasm } }]\n";
    let missing = admin.spec_apply(&spec, folder.path(), &Apply::default()).await.unwrap_err();
    assert!(matches!(missing, ClientError::Spec(_)), "{missing}");
    assert!(missing.problems()[0].line.is_some());
    std::fs::write(folder.path().join("bot.wasm"), b"\0asm\x01\0\0\0").unwrap();
    admin.spec_apply(&spec, folder.path(), &Apply::default()).await.unwrap();
    let hash =
        admin.spec_get().await.unwrap().unwrap().spec["plugins"][0]["module"]["sha256"].clone();
    assert_eq!(hash.as_str().unwrap().len(), 64);
    let unknown = spec.replace("file: bot.wasm", &format!("sha256: \"{}\"", "0".repeat(64)));
    let refused = admin.spec_apply(&unknown, folder.path(), &Apply::default()).await.unwrap_err();
    assert_eq!(refused.problems()[0].path, "plugins[0].module.sha256", "{refused}");
}
