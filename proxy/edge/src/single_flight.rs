//! One question at a time for each key: who asks while it is under way gets the same answer.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

/// Questions under way by key.
pub(crate) struct SingleFlight<T>(Mutex<HashMap<String, Arc<OnceCell<T>>>>);

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> SingleFlight<T> {
    /// The answer of `ask`, or of somebody who asks the same at this moment. When the asker is
    /// dropped half-way, one of those who wait asks in its place.
    pub(crate) async fn run<F>(&self, key: &str, ask: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T>,
    {
        let cell = Arc::clone(self.lock().entry(key.to_owned()).or_default());
        let answer = cell.get_or_init(ask).await.clone();
        let mut under_way = self.lock();
        if under_way.get(key).is_some_and(|current| Arc::ptr_eq(current, &cell)) {
            under_way.remove(key);
        }
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
