//! The SDK as it goes with a new plugin: its sources are part of this program, so that a first rule
//! needs nothing but crates.io.

use anyhow::Result;
use tidegate_wasm::workbench;

/// The sources of `plugins/sdk`.
const SOURCES: &[(&str, &str)] = &[
    ("sdk/src/challenge.html", include_str!("../../plugins/sdk/src/challenge.html")),
    ("sdk/src/challenge.rs", include_str!("../../plugins/sdk/src/challenge.rs")),
    ("sdk/src/decision.rs", include_str!("../../plugins/sdk/src/decision.rs")),
    ("sdk/src/fake.rs", include_str!("../../plugins/sdk/src/fake.rs")),
    ("sdk/src/features.rs", include_str!("../../plugins/sdk/src/features.rs")),
    ("sdk/src/form.rs", include_str!("../../plugins/sdk/src/form.rs")),
    ("sdk/src/glue.rs", include_str!("../../plugins/sdk/src/glue.rs")),
    ("sdk/src/kept.rs", include_str!("../../plugins/sdk/src/kept.rs")),
    ("sdk/src/lib.rs", include_str!("../../plugins/sdk/src/lib.rs")),
    ("sdk/src/network.rs", include_str!("../../plugins/sdk/src/network.rs")),
    ("sdk/src/pattern.rs", include_str!("../../plugins/sdk/src/pattern.rs")),
    ("sdk/src/rule.rs", include_str!("../../plugins/sdk/src/rule.rs")),
    ("sdk/src/world.rs", include_str!("../../plugins/sdk/src/world.rs")),
];

/// The SDK's manifest, outside of its workspace.
const MANIFEST: &str = r#"[package]
name = "tidegate-sdk"
version = "0.1.0"
edition = "2024"
license = "MIT OR Apache-2.0"
publish = false

[lib]
doctest = false

[dependencies]
serde = { version = "1", features = ["derive"] }
serde_json = "1"

[target.'cfg(target_arch = "wasm32")'.dependencies]
proxy-wasm = "0.2.5"
"#;

/// What makes small and fast modules.
const PROFILE: &str = r#"
[workspace]
members = ["sdk"]

[profile.release]
opt-level = 3
lto = "fat"
codegen-units = 1
panic = "abort"
strip = true
"#;

/// A new rule with the SDK beside it.
pub(super) fn with_template(name: &str) -> Result<Vec<(String, String)>> {
    let mut files = workbench::template(name, "{ path = \"sdk\" }").map_err(anyhow::Error::msg)?;
    for (path, text) in &mut files {
        if path == "Cargo.toml" {
            text.push_str(PROFILE);
        }
    }
    files.push(("sdk/Cargo.toml".to_owned(), MANIFEST.to_owned()));
    let sources = SOURCES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    files.extend(sources);
    files.push((".gitignore".to_owned(), "/target/\n/dist/\n".to_owned()));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::SOURCES;

    #[test]
    fn every_source_of_the_sdk_is_here() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/sdk/src");
        let mut there: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("sdk/src/{}", entry.unwrap().file_name().to_string_lossy()))
            .collect();
        there.sort();
        let here: Vec<_> = SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(here, there);
    }
}
