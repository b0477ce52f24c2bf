//! Short links: the store behind the codes that edges answer, and what is known of their clicks.
//!
//! It is the authority: an edge redirects by itself as long as it knows a code, and asks here otherwise.
//! It is not the redirect's fast path, and it does not fetch the targets.
//!
//! **Invariant:** a code that was given once is never given again, not even after its link was deleted.
//! **Invariant:** a creation answered with 201 is on the log that edges follow.
//! **Invariant:** a click counts once, however often it is reported: (edge, seq) is its name.
//! **Invariant:** no address of a visitor is kept.
//!
//! The entry is [`service`]; [`announce::Announce`] is the port to the edges.

pub mod announce;
mod api;
mod app;
mod model;
pub mod settings;
mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tidegate_origin_kit::pages::Cursors;
use tidegate_origin_kit::service::BootError;
use tidegate_origin_kit::{Cx, Service, store as kit_store};

use announce::{Announce, Announcer};
use app::{App, Codes, Figures, Hashing, Parts};
use settings::LinksSettings;

pub use store::DATABASE;

/// The context's name, in settings and on the command line.
pub const NAME: &str = "links";

/// Opens the database and gives the routes and tasks; `log` is where edges learn of links, if there are any.
///
/// # Errors
/// When settings do not fit or the database cannot be opened.
pub async fn service(cx: &Cx, log: Option<Arc<dyn Announce>>) -> Result<Service, BootError> {
    let settings = cx.settings.typed::<LinksSettings>(NAME)?;
    let db = cx.open(&DATABASE).await?;
    let secret = async |name| kit_store::secret(&db, name).await;
    let failed = |source| BootError::Database { service: NAME, source };
    let codes = Codes::new(&secret("codes").await.map_err(failed)?);
    let cursors = Cursors::new(&secret("cursors").await.map_err(failed)?);
    let (announcer, empty_queue) = Announcer::new(log.as_ref());
    let (clock, figures) = (cx.clock.clone(), Figures::new(cx));
    let hashing = Hashing::new();
    let app = App::new(Parts { db, clock, settings, announcer, codes, cursors, figures, hashing });
    let mut service = Service::new(NAME, api::router(app.clone()));
    if let Some(work) = empty_queue {
        service = service.task("links announcements", work);
    }
    if let Some(log) = log {
        service = service.task("links filter", app::keep_base(app, log, cx.stop.clone()));
    }
    Ok(service)
}
