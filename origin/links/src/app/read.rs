//! Reading links: one, a page, and what a visitor gets.

use tidegate_origin_kit::pages::{Page, Paging};
use tidegate_origin_kit::{Fault, Micros};

use super::App;
use crate::model::code;
use crate::model::link::{Link, State};
use crate::settings::Domain;
use crate::store::{self, Filter};

/// Where a page begins: newest first.
type PageKey = (Micros, String);

impl App {
    /// A link that is not deleted.
    pub(crate) async fn read(&self, domain: Domain<'_>, code: &str) -> Result<Link, Fault> {
        let link = self.find(domain, code).await?.ok_or(Fault::NotFound("link"))?;
        if link.state == State::Deleted { Err(Fault::Gone("link")) } else { Ok(link) }
    }

    /// The link of a code in whatever state; `None` for what cannot be a code, without asking the database.
    pub(crate) async fn find(&self, domain: Domain<'_>, code: &str) -> Result<Option<Link>, Fault> {
        if !code::is_possible(code) {
            return Ok(None);
        }
        let (name, code) = (domain.name.to_owned(), domain.fold(code));
        self.db.read(async move |tx| Ok(store::load(tx, &name, &code).await?)).await
    }

    /// A page of links, newest first.
    pub(crate) async fn list(&self, filter: Filter, paging: &Paging) -> Result<Page<Link>, Fault> {
        let rows = paging.rows()?;
        let from: PageKey = match &paging.cursor {
            Some(cursor) => self.cursors.open(cursor)?,
            None => (Micros::MAX, String::new()),
        };
        let links = self.db.read(async move |tx| store::page(tx, &filter, from, rows + 1).await);
        let links = links.await.map_err(Fault::from)?;
        Ok(Page::cut(links, rows, |last| self.cursors.seal(&(last.created_at, &last.code))))
    }

    /// Uses up one of a link's visits; `false` when none was left.
    pub(crate) async fn visit(&self, link: &Link) -> Result<bool, Fault> {
        let (domain, code) = (link.domain.clone(), link.code.clone());
        self.db.write(async move |tx| Ok(store::visit(tx, &domain, &code).await?)).await
    }
}
