//! What a module is, without running it.

use wasmtime::ExternType;

use super::WorkbenchError;
use crate::{Host, HostConfig, PluginConfig, host::sha256};

/// Bytes of a page of linear memory.
const PAGE_BYTES: u64 = 65_536;

/// A module as it presents itself.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// SHA-256 in hex, as a specification pins it.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: usize,
    /// Markers of ABI versions; empty for a module of another kind.
    pub abi: Vec<String>,
    /// Every import as `module.name`.
    pub imports: Vec<String>,
    /// Imports that the host does not offer; such a module is refused.
    pub missing: Vec<String>,
    /// Callbacks that the module exports.
    pub callbacks: Vec<String>,
    /// Linear memory at the start, in bytes.
    pub memory_bytes: u64,
    /// Limit of the linear memory that the module itself declares, in bytes.
    pub memory_bytes_max: Option<u64>,
}

/// Reads a module.
///
/// # Errors
/// When it is no module, or the host does not start.
pub fn inspect(module: &[u8]) -> Result<Inspection, WorkbenchError> {
    let host = Host::new(HostConfig::default())?;
    let (compiled, missing) = host.inspect(PluginConfig::new("inspected", module))?;
    let exports: Vec<String> = compiled.exports().map(|export| export.name().to_owned()).collect();
    let of =
        |prefix: &str| exports.iter().filter(|name| name.starts_with(prefix)).cloned().collect();
    let memory = compiled.exports().find_map(|export| match export.ty() {
        ExternType::Memory(memory) => Some(memory),
        _ => None,
    });
    let imports = compiled.imports();
    Ok(Inspection {
        sha256: sha256(module),
        bytes: module.len(),
        abi: of("proxy_abi_version_"),
        imports: imports.map(|import| format!("{}.{}", import.module(), import.name())).collect(),
        missing,
        callbacks: of("proxy_on_"),
        memory_bytes: memory.as_ref().map_or(0, |memory| memory.minimum() * PAGE_BYTES),
        memory_bytes_max: memory
            .and_then(|memory| memory.maximum())
            .map(|pages| pages * PAGE_BYTES),
    })
}
