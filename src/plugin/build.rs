//! Builds a plugin's module: with the Rust on PATH where that has the target, else with Debian's
//! packages, which build the standard library themselves.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// What modules are built for.
const TARGET: &str = "wasm32-unknown-unknown";
/// What to install where rustup targets cannot be.
const PACKAGES: &str = "rustc-web cargo-web rust-web-src lld";
/// Settings of the caller's Rust that are meant for another target.
const UNSET: [&str; 11] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO",
    "CARGO_INCREMENTAL",
    "RUSTC_LINKER",
    "CARGO_TARGET_DIR",
];

/// Builds the crate in `folder` and answers where its module is: `dist/<name>.wasm`.
pub(super) fn build(folder: &Path) -> Result<PathBuf> {
    let (name, _) = package(folder)?;
    let mut command = cargo()?;
    for name in UNSET {
        command.env_remove(name);
    }
    let target = folder.join("target");
    command.current_dir(folder).env("CARGO_TARGET_DIR", std::path::absolute(&target)?);
    let status = command.status().with_context(|| format!("{command:?}"))?;
    if !status.success() {
        bail!("cargo did not build {name}");
    }
    let file = format!("{}.wasm", name.replace('-', "_"));
    let made = target.join(TARGET).join("release").join(&file);
    let module = folder.join("dist").join(&file);
    std::fs::create_dir_all(folder.join("dist"))?;
    std::fs::copy(&made, &module).with_context(|| {
        format!("{}: does the manifest say crate-type = [\"cdylib\"]?", made.display())
    })?;
    Ok(module)
}

/// The module that was built in `folder`.
pub(super) fn built(folder: &Path) -> Result<PathBuf> {
    let (name, _) = package(folder).context("which module? name it, or go to its folder")?;
    let module = folder.join("dist").join(format!("{}.wasm", name.replace('-', "_")));
    if !module.exists() {
        bail!("{} is missing: run `tidegate plugin build`", module.display());
    }
    Ok(module)
}

/// Name and version of the crate in `folder`.
pub(super) fn package(folder: &Path) -> Result<(String, String)> {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest: toml::Table = text.parse().with_context(|| path.display().to_string())?;
    let word = |key: &str| manifest.get("package")?.get(key)?.as_str().map(str::to_owned);
    let name = word("name").with_context(|| format!("{} names no package", path.display()))?;
    Ok((name, word("version").unwrap_or_else(|| "0.1.0".to_owned())))
}

/// The cargo that can build for the target.
fn cargo() -> Result<Command> {
    if path_has_target() {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--target", TARGET]);
        return Ok(cargo);
    }
    if !debian_has_rust() {
        bail!(
            "no Rust that can build for {TARGET}; run one of\n    rustup target add {TARGET}\n    \
             sudo apt-get install -y --no-install-recommends {PACKAGES}"
        );
    }
    eprintln!("building with Debian's Rust, the standard library from source");
    let mut cargo = Command::new("/usr/bin/cargo");
    let path = std::env::var("PATH").unwrap_or_default();
    cargo
        .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET])
        .env("PATH", format!("/usr/bin:{path}"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld")
        .env_remove("RUSTUP_TOOLCHAIN");
    Ok(cargo)
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn path_has_target() -> bool {
    let Some(folder) = output("rustc", &["--print", "target-libdir", "--target", TARGET]) else {
        return false;
    };
    let Ok(files) = std::fs::read_dir(folder) else { return false };
    let mut names = files.flatten().map(|file| file.file_name());
    names.any(|name| name.to_string_lossy().starts_with("libstd-"))
}

fn debian_has_rust() -> bool {
    let there = ["/usr/bin/cargo", "/usr/bin/rustc", "/usr/bin/wasm-ld"];
    let Some(root) = output("/usr/bin/rustc", &["--print", "sysroot"]) else { return false };
    there.iter().all(|path| Path::new(path).exists())
        && Path::new(&root).join("lib/rustlib/src/rust/library/Cargo.lock").exists()
}
