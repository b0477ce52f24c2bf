use std::fs;
use std::path::{Path, PathBuf};

use tidegate_snapshot::{Problem, compile_text};
use tidegate_spec::{NodeConfig, PluginModule, Spec};

/// Set to write what broken files give now beside them.
const UPDATE: &str = "UPDATE_EXPECT";

#[test]
fn every_spec_compiles() {
    for file in specs("").into_iter().filter(|file| !file.to_string_lossy().contains("/broken/")) {
        let text = fs::read_to_string(&file).unwrap();
        let (spec, snapshot) = match compile_text(&text, 1) {
            Ok(compiled) => compiled,
            Err(problems) => panic!("{}\n{}", file.display(), lines(&problems)),
        };
        assert_eq!(Spec::from_json(&spec.to_json()).unwrap(), spec, "{}", file.display());
        assert_eq!(tidegate_spec::read(&spec.to_yaml()).unwrap(), spec, "{}", file.display());
        assert_eq!(snapshot.hash, spec.hash());
        for plugin in &spec.plugins {
            let PluginModule::File(module) = &plugin.module else { continue };
            // Built modules are not in the repository, the folder above them is.
            let module = file.parent().unwrap().join(module);
            let plugins = module.ancestors().nth(2).unwrap();
            assert!(plugins.join("rules").is_dir(), "{}: {}", file.display(), module.display());
        }
    }
}

#[test]
fn every_broken_spec_fails_as_recorded() {
    let files = specs("broken");
    assert!(files.len() >= 8, "conf/broken is not where it was");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let problems = compile_text(&text, 1).expect_err(&file.to_string_lossy());
        let found = lines(&problems);
        let expected = file.with_extension("expected");
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&expected, &found).unwrap();
        }
        let recorded = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(recorded, found, "{} (set {UPDATE}=1 to record)", file.display());
    }
}

#[test]
fn every_node_file_is_read() {
    let text = fs::read_to_string(conf().join("edge.toml")).unwrap();
    NodeConfig::parse(&text).unwrap();
    // What stands in comments are settings too: they must stay true.
    let uncommented: String = text.lines().map(uncomment).collect();
    let config = NodeConfig::parse(&uncommented).unwrap();
    assert!(config.control_plane.is_some() && config.spec.is_some());
}

/// The line without its `#`, when what follows is a setting.
fn uncomment(line: &str) -> String {
    let setting = line.strip_prefix("# ").filter(|rest| {
        let first = rest.split([' ', '=']).next().unwrap_or("");
        rest.starts_with('[') || (rest.contains(" = ") && !first.is_empty())
    });
    format!("{}\n", setting.unwrap_or(line))
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn specs(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&conf().join(folder), &mut files);
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of conf/") {
        let path = entry.expect("an entry of conf/").path();
        // These belong to other programs.
        let foreign = ["grafana", "prometheus", "systemd"];
        if path.is_dir() && !foreign.iter().any(|name| path.ends_with(name)) {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

fn conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf")
}
