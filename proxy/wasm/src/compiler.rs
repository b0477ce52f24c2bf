//! The engine and the modules that it compiled.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use hashbrown::HashMap;
use wasmtime::{Config, Engine, Module};

use crate::{HostConfig, HostError, LoadError, PluginConfig, code::CodeCache};

/// Stack of one callback in bytes; threads have 2 MiB.
const STACK_BYTES_MAX: usize = 512 << 10;
/// Frames of a backtrace.
const FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(20).expect("not zero");

/// An engine with what it has compiled, on disk and, for the workbench, in memory.
pub(crate) struct Compiler {
    pub(crate) engine: Engine,
    code: Option<CodeCache>,
    kept: Option<Mutex<HashMap<String, Module>>>,
}

impl Compiler {
    pub(crate) fn new(config: &HostConfig, keeps: bool) -> Result<Arc<Self>, HostError> {
        let engine = engine(config).map_err(|error| HostError::Engine(error.to_string()))?;
        let code = config.code_cache.as_deref().map(CodeCache::open).transpose()?;
        Ok(Arc::new(Self { engine, code, kept: keeps.then(Mutex::default) }))
    }

    /// Compiles a module, unless that has been done before.
    pub(crate) fn compile(&self, config: &PluginConfig, sha256: &str) -> Result<Module, LoadError> {
        if let Some(module) = self.known(sha256) {
            return Ok(module);
        }
        let module = Module::from_binary(&self.engine, &config.module).map_err(|error| {
            LoadError::Compile { plugin: config.name.clone(), reason: format!("{error:#}") }
        })?;
        if let Some(code) = &self.code {
            code.store(&self.engine, sha256, &module);
        }
        if let Some(kept) = &self.kept {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(sha256.to_owned(), module.clone());
        }
        Ok(module)
    }

    fn known(&self, sha256: &str) -> Option<Module> {
        if let Some(kept) = &self.kept {
            return kept.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned();
        }
        self.code.as_ref()?.load(&self.engine, sha256)
    }
}

fn engine(config: &HostConfig) -> wasmtime::Result<Engine> {
    let mut settings = Config::new();
    settings
        .epoch_interruption(true)
        .consume_fuel(config.fuel)
        .max_wasm_stack(STACK_BYTES_MAX)
        .wasm_backtrace_max_frames(Some(FRAMES_MAX));
    Engine::new(&settings)
}
