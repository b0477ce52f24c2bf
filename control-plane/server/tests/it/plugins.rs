//! The registry of plugin modules: checked when pushed, never changed, named by specs.

use std::path::Path;

use bytes::Bytes;
use tidegate_control_client::api::PluginNew;
use tidegate_control_client::{Apply, Client, ClientError};

use crate::world::World;

fn new(name: &str, version: &str) -> PluginNew {
    PluginNew { name: name.into(), version: version.into(), ..PluginNew::default() }
}

async fn push(client: &Client, module: &'static str, new: PluginNew) -> Result<u64, ClientError> {
    client.plugin_push(Bytes::from_static(module.as_bytes()), new).await.map(|pushed| pushed.cases)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_checked_and_stays_what_it_is() {
    let world = World::start().await;
    let admin = world.admin();
    let tried = PluginNew { cases: "a b c".into(), ..new("bot", "1.0.0") };
    assert_eq!(push(&admin, "a good module", tried.clone()).await.unwrap(), 3);
    assert_eq!(push(&admin, "a good module", tried).await.unwrap(), 3, "again is no harm");
    let other = push(&admin, "another good module", new("bot", "1.0.0")).await.unwrap_err();
    assert!(other.to_string().contains("raise the version"), "{other}");
    let bad = push(&admin, "a bad module", new("bot", "1.1.0")).await.unwrap_err();
    assert_eq!(bad.problems()[0].message, "it is bad", "{bad}");
    for (name, version) in [("", "1"), ("a b", "1"), ("bot", ""), ("bot", "a@b")] {
        push(&admin, "a good module", new(name, version)).await.unwrap_err();
    }
    let listed = admin.plugins().await.unwrap().plugins;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].author.as_str(), listed[0].cases), ("root", 3));
    let audit = format!("{:?}", admin.audit(0, false).await.unwrap());
    assert!(audit.contains("bot@1.0.0") && audit.contains("bot@1.1.0"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_names_a_version_and_keeps_its_hash() {
    let world = World::start().await;
    let admin = world.admin();
    let pushed =
        admin.plugin_push(Bytes::from_static(b"a good module"), new("bot", "1.0.0")).await.unwrap();
    let spec = "plugins: [{ name: bot, module: { registry: bot@1.0.0 } }]\n";
    let unknown = spec.replace("1.0.0", "2.0.0");
    let refused = admin.spec_apply(&unknown, Path::new("."), &Apply::default()).await.unwrap_err();
    assert_eq!(refused.problems()[0].path, "plugins[0].module.registry", "{refused}");
    admin.spec_apply(spec, Path::new("."), &Apply::default()).await.unwrap();
    let stored = admin.spec_get().await.unwrap().unwrap().spec;
    assert_eq!(stored["plugins"][0]["module"]["sha256"], pushed.sha256.as_str());
}
