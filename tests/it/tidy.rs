//! Rules of the code base that no compiler checks: who may import whom, where documents must agree
//! with code, what must not be left behind.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Layers from the bottom up. A crate imports only from layers below its own.
const LAYERS: &[&[&str]] = &[
    &["proxy/http", "proxy/spec", "proxy/telemetry", "control-plane/sql"],
    &[
        "proxy/http2",
        "proxy/route",
        "proxy/sign",
        "proxy/limit",
        "proxy/cache",
        "proxy/media",
        "proxy/list",
    ],
    &["proxy/snapshot", "control-plane/api", "origin/kit"],
    &[
        "proxy/store",
        "proxy/upstream",
        "proxy/wasm",
        "proxy/tls",
        "proxy/counters",
        "control-plane/store",
        "control-plane/client",
        "origin/links",
        "origin/media",
    ],
    &["proxy/edge", "control-plane/server", "origin/service"],
    &["."],
];

/// Crates that only tests may import.
const TEST_ONLY: &[&str] = &["proxy/testkit"];

/// Crates that decide and never act: no runtime, no sockets.
const PURE: &[&str] = &[
    "proxy/http",
    "proxy/http2",
    "proxy/route",
    "proxy/sign",
    "proxy/limit",
    "proxy/cache",
    "proxy/media",
    "proxy/list",
];
const IMPURE_DEPENDENCIES: &[&str] = &["tokio", "hyper", "pingora-core", "rusqlite", "axum"];

/// Heavy things live in exactly one crate each.
const QUARANTINE: &[(&str, &[&str])] = &[
    ("wasmtime", &["proxy/wasm"]),
    ("rustls", &["proxy/tls"]),
    ("rusqlite", &["control-plane/sql"]),
    ("tokio-postgres", &["control-plane/sql"]),
    ("pingora-proxy", &["proxy/upstream"]),
];

/// Locked packages. Raise it on purpose, in the commit that says why.
const LOCKED_PACKAGES_MAX: usize = 520;

#[test]
fn imports_point_downwards() {
    let layers = layers();
    let mut wrong = Vec::new();
    for (dir, layer) in &layers {
        for dependency in workspace_dependencies(dir, "dependencies") {
            if layers.get(&dependency).is_none_or(|below| below >= layer) {
                wrong.push(format!("{dir} imports {dependency}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the arrows of ARCHITECTURE.md: {wrong:#?}");
}

#[test]
fn every_crate_stands_in_a_layer() {
    let layers = layers();
    let missing: Vec<_> = members()
        .into_iter()
        .filter(|dir| !layers.contains_key(dir) && !TEST_ONLY.contains(&dir.as_str()))
        .collect();
    assert!(missing.is_empty(), "crates without a layer in tests/it/tidy.rs: {missing:?}");
}

#[test]
fn pure_crates_stay_pure() {
    for dir in PURE {
        let names = dependencies(dir, "dependencies");
        for bad in IMPURE_DEPENDENCIES {
            assert!(!names.iter().any(|name| name == bad), "{dir} must not depend on {bad}");
        }
    }
}

#[test]
fn heavy_dependencies_stay_in_their_crate() {
    for (dependency, allowed) in QUARANTINE {
        for dir in members() {
            let has = dependencies(&dir, "dependencies").iter().any(|name| name == dependency);
            assert!(!has || allowed.contains(&dir.as_str()), "{dir} names {dependency}");
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints_and_says_what_it_is() {
    for dir in members() {
        let manifest = read(&root().join(&dir).join("Cargo.toml"));
        let own_table = manifest.contains("[lints.rust]");
        assert!(own_table || manifest.contains("[lints]\nworkspace = true"), "{dir}: no lints");
        let lib = read(&root().join(&dir).join("src/lib.rs"));
        assert!(lib.starts_with("//!"), "{dir}: lib.rs does not open with its `//!` page");
        assert!(
            lib.lines().take_while(|line| line.starts_with("//!")).count() >= 5,
            "{dir}: the `//!` page says too little"
        );
        assert!(lib.contains("**Invariant:**"), "{dir}: no **Invariant:** line in lib.rs");
    }
}

#[test]
fn the_request_chart_is_drawn_in_the_architecture() {
    let chart = read(&root().join("proxy/edge/src/request.rs"));
    let drawing = read(&root().join("ARCHITECTURE.md"));
    let states: Vec<_> =
        chart.lines().filter_map(|line| line.strip_prefix("//! - `")?.split('`').next()).collect();
    assert!(states.len() >= 8, "the chart in request.rs lists its states as `//! - `State``");
    for state in states {
        assert!(drawing.contains(state), "ARCHITECTURE.md does not draw the state {state}");
    }
}

#[test]
fn nothing_is_left_over() {
    let mut found = Vec::new();
    for file in sources(&root()) {
        let text = read(&file);
        for word in ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"] {
            if text.contains(word) && !file.ends_with("tests/it/tidy.rs") {
                found.push(format!("{}: {word}", file.display()));
            }
        }
        if text.lines().count() > 900 {
            found.push(format!("{}: more than 900 lines", file.display()));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The conformance table of docs/caching.md names unit tests and scenarios.
#[test]
fn the_conformance_table_names_tests_that_exist() {
    let page = read(&root().join("docs/caching.md"));
    let (_, table) = page.split_once("## Conformance").unwrap();
    let tests = ["proxy/cache/src", "proxy/store/src", "proxy/edge/src"]
        .iter()
        .flat_map(|dir| sources(&root().join(dir)));
    let tests: String = tests.map(|file| read(&file)).collect();
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| §")) {
        let held_by =
            row.trim_end_matches([' ', '|']).rsplit_once(" | ").map(|(_, last)| last).unwrap();
        let names: Vec<_> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test holds: {row}");
        for name in names {
            let scenario = root().join(format!("proxy/edge/tests/scenarios/{name}.txt"));
            let found = scenario.exists() || tests.contains(&format!("fn {name}("));
            assert!(
                found,
                "docs/caching.md names `{name}`, which is neither a test nor a scenario"
            );
            named += 1;
        }
    }
    assert!(named > 60, "the table was not found: {named} names");
}

#[test]
fn the_dependency_tree_does_not_grow_unseen() {
    let lock = read(&root().join("Cargo.lock"));
    let packages = lock.matches("[[package]]").count();
    assert!(packages <= LOCKED_PACKAGES_MAX, "{packages} locked packages");
}

// === reading the workspace ===

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn layers() -> BTreeMap<String, usize> {
    let numbered = LAYERS.iter().enumerate();
    numbered.flat_map(|(n, dirs)| dirs.iter().map(move |dir| (dir.to_string(), n))).collect()
}

fn manifest(dir: &str) -> toml::Table {
    read(&root().join(dir).join("Cargo.toml")).parse().expect("a manifest is TOML")
}

fn members() -> Vec<String> {
    let members = &manifest(".")["workspace"]["members"];
    members.as_array().unwrap().iter().map(|dir| dir.as_str().unwrap().to_owned()).collect()
}

fn dependencies(dir: &str, table: &str) -> Vec<String> {
    manifest(dir)
        .get(table)
        .and_then(|table| table.as_table())
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

/// The folders of the workspace crates that `dir` depends on.
fn workspace_dependencies(dir: &str, table: &str) -> Vec<String> {
    let paths = manifest(".")["workspace"]["dependencies"].as_table().unwrap().clone();
    dependencies(dir, table)
        .into_iter()
        .filter_map(|name| Some(paths.get(&name)?.get("path")?.as_str()?.to_owned()))
        .collect()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let skipped = ["target", "data", ".git", "node_modules"].iter().any(|skip| name == *skip);
        if path.is_dir() && !skipped {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
