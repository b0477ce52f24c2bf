//! Passwords are hashed beside the runtime, few at a time: each costs a core some hundred milliseconds.

use tidegate_origin_kit::Fault;
use tokio::sync::Semaphore;

use super::App;
use crate::model::password;

/// Hashes computed at the same time; a caller beyond them is told to come back.
const AT_ONCE: usize = 2;

/// Bounds the hashing of this process.
pub(crate) struct Hashing(Semaphore);

impl Hashing {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let _turn = self.0.try_acquire().map_err(|_| Fault::TooMany { retry_secs: 1 })?;
        tokio::task::spawn_blocking(work).await.map_err(Fault::bug)
    }
}

impl App {
    pub(super) async fn hash(&self, password: &str) -> Result<String, Fault> {
        let password = password.to_owned();
        self.hashing.run(move || password::hash(&password)).await
    }

    /// Whether a visitor's password is the one that is kept.
    pub(crate) async fn opens(&self, given: String, kept: &str) -> Result<bool, Fault> {
        let kept = kept.to_owned();
        self.hashing.run(move || password::fits(&given, &kept)).await
    }
}
