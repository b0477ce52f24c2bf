//! Rules for Tidegate, written as plain functions.
//!
//! A rule implements [`Rule`]: it is made from its configuration, decides about a request, and may
//! watch the response. It sees the request through [`World`], so that the very same code runs under
//! `cargo test` over a [`fake::FakeWorld`] and inside the proxy over proxy-wasm. The macro
//! [`rule!`] makes a proxy-wasm module of it.
//!
//! The SDK does what every rule needs: it reads the configuration, counts verdicts, answers refusals
//! as `application/problem+json`, and honours shadow mode. A rule made with it also runs on other
//! proxy-wasm hosts; there, what counts across workers falls back to one instance's memory.

pub mod challenge;
mod decision;
pub mod fake;
mod features;
mod form;
mod kept;
mod network;
mod pattern;
mod rule;
mod world;

#[cfg(target_arch = "wasm32")]
mod glue;

pub use decision::{Decision, Refusal};
pub use features::Features;
pub use form::{decoded, field};
pub use kept::Kept;
pub use network::Network;
pub use pattern::Pattern;
pub use rule::{Mode, OnRefuse, Phases, Rule, Settings, settings};
pub use world::{World, prefix};

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use glue::Root;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use proxy_wasm;

/// Makes a proxy-wasm module of a rule. Does nothing when it is not compiled for wasm32.
#[macro_export]
macro_rules! rule {
    ($rule:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(missing_docs, reason = "the entry function of the module comes from a macro")]
        mod module {
            use super::*;
            $crate::proxy_wasm::main! {{
                $crate::proxy_wasm::set_log_level($crate::proxy_wasm::types::LogLevel::Info);
                $crate::proxy_wasm::set_root_context(|_| Box::new($crate::Root::<$rule>::default()));
            }}
        }
    };
}
