//! Typed settings: each service names a section, and reads it as a type of its own.
//!
//! Sections come from the fleet's `services`, through the control plane, and may change while the process
//! runs. A change is taken as a whole, or not at all when one section does not fit its type.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The raw sections, by service.
pub type Sections = BTreeMap<String, Value>;

/// Reads one section and gives what puts it in force.
type Reader = Box<dyn Fn(&Sections) -> Result<Commit, SettingsError> + Send + Sync>;
type Commit = Box<dyn FnOnce()>;

/// All sections of a process, and whoever reads them.
#[derive(Clone, Default)]
pub struct Settings(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sections: ArcSwap<Sections>,
    readers: Mutex<Vec<Reader>>,
}

/// One section as a value that follows the changes.
#[derive(Debug)]
pub struct Typed<T>(Arc<ArcSwap<T>>);

/// A section that is not what its service reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("settings of `{section}`: {message}")]
pub struct SettingsError {
    /// The service's name.
    pub section: &'static str,
    /// What does not fit.
    pub message: String,
}

impl Settings {
    /// Settings that start with `sections`.
    pub fn new(sections: Sections) -> Self {
        let settings = Self::default();
        settings.0.sections.store(Arc::new(sections));
        settings
    }

    /// Section `name` as a `T` that follows the changes; `T::default()` stands for a section that is absent.
    ///
    /// # Errors
    /// When the section as it is now does not fit `T`.
    pub fn typed<T>(&self, name: &'static str) -> Result<Typed<T>, SettingsError>
    where
        T: DeserializeOwned + Default + Send + Sync + 'static,
    {
        let cell = Arc::new(ArcSwap::from_pointee(read::<T>(&self.0.sections.load(), name)?));
        let target = Arc::clone(&cell);
        let reader: Reader = Box::new(move |sections| {
            let (target, value) = (Arc::clone(&target), Arc::new(read::<T>(sections, name)?));
            Ok(Box::new(move || target.store(value)))
        });
        self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        Ok(Typed(cell))
    }

    /// Replaces all sections.
    ///
    /// # Errors
    /// Every section that does not fit; nothing changes then.
    pub fn replace(&self, sections: Sections) -> Result<(), Vec<SettingsError>> {
        let readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut errors = Vec::new();
        let read =
            readers.iter().filter_map(|read| read(&sections).map_err(|e| errors.push(e)).ok());
        let commits: Vec<Commit> = read.collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        commits.into_iter().for_each(|commit| commit());
        self.0.sections.store(Arc::new(sections));
        Ok(())
    }
}

impl<T> Typed<T> {
    /// A section that never changes, for tests and for services that run without settings.
    pub fn fixed(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The section as it is now.
    pub fn now(&self) -> Guard<Arc<T>> {
        self.0.load()
    }
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

fn read<T: DeserializeOwned + Default>(
    sections: &Sections,
    section: &'static str,
) -> Result<T, SettingsError> {
    match sections.get(section) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => {
            T::deserialize(value).map_err(|e| SettingsError { section, message: e.to_string() })
        }
    }
}
