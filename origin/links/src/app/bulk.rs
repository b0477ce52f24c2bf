//! Many links at once; each is a creation of its own, and they share commits and appends.

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tidegate_origin_kit::fault::Problem;
use tidegate_origin_kit::idempotency::Recorded;
use tidegate_origin_kit::{Fault, Moment};
use utoipa::ToSchema;

use super::{App, Created, NewLink};
use crate::model::csv;
use crate::model::link::Link;
use crate::settings::Domain;

/// Links of one request.
pub(crate) const BULK_LINKS_MAX: usize = csv::RECORDS_MAX;
/// Creations of one request that are under way at the same time.
const AT_ONCE: usize = 64;

/// Links to create.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bulk {
    /// At most 1000.
    pub(crate) links: Vec<NewLink>,
}

/// What became of one of many links: the link, or the problem.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Outcome {
    /// Its place in the request, from 0; for a table, the line it began at.
    pub(crate) index: usize,
    /// 201 or 202, or the status of the problem.
    pub(crate) status: u16,
    /// The link.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) link: Option<serde_json::Value>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<Problem>,
}

impl App {
    /// Creates each of the links that can be created.
    pub(crate) async fn create_all(
        &self,
        links: Vec<(usize, Result<NewLink, Fault>)>,
        owner: &str,
        present: fn(&Link, Domain<'_>) -> Recorded,
    ) -> Result<Vec<Outcome>, Fault> {
        if links.len() > BULK_LINKS_MAX {
            return Err(Fault::invalid(
                "/links",
                "length",
                format!("at most {BULK_LINKS_MAX} links"),
            ));
        }
        let creations = links.into_iter().map(|(index, new)| async move {
            match new {
                Ok(new) => outcome(index, self.create(new, owner, None, present).await),
                Err(fault) => outcome(index, Err(fault)),
            }
        });
        Ok(stream::iter(creations).buffered(AT_ONCE).collect().await)
    }

    /// Creates the links of a table of comma-separated values whose first line names the columns.
    pub(crate) async fn import(
        &self,
        text: &str,
        owner: &str,
        present: fn(&Link, Domain<'_>) -> Recorded,
    ) -> Result<Vec<Outcome>, Fault> {
        let table = csv::read(text).map_err(|e| Fault::Malformed(e.to_string()))?;
        check_columns(&table.columns)?;
        let columns = &table.columns;
        let links =
            table.records.into_iter().map(|(line, fields)| (line, from_record(columns, fields)));
        self.create_all(links.collect(), owner, present).await
    }
}

const COLUMNS: [&str; 8] =
    ["url", "alias", "domain", "title", "tags", "redirect", "expires_at", "max_visits"];

fn check_columns(columns: &[String]) -> Result<(), Fault> {
    if !columns.iter().any(|name| name == "url") {
        return Err(Fault::invalid("url", "column", "the first line must name a column `url`"));
    }
    // Columns of an export that a creation does not take are passed over.
    const READ_ONLY: [&str; 6] = ["code", "short_url", "state", "created_at", "version", "visits"];
    let known = |name: &str| COLUMNS.contains(&name) || READ_ONLY.contains(&name);
    match columns.iter().find(|name| !known(name)) {
        Some(name) => {
            let text = format!("unknown column `{name}`; there are: {}", COLUMNS.join(", "));
            Err(Fault::invalid(name, "column", text))
        }
        None => Ok(()),
    }
}

fn from_record(columns: &[String], fields: Vec<String>) -> Result<NewLink, Fault> {
    let mut new = NewLink::default();
    for (column, field) in columns.iter().zip(fields) {
        if !field.is_empty() {
            fill(&mut new, column, field)?;
        }
    }
    Ok(new)
}

fn fill(new: &mut NewLink, column: &str, field: String) -> Result<(), Fault> {
    let bad = |_| Fault::invalid(column, "value", format!("`{column}` cannot be read"));
    match column {
        "url" => new.url = field,
        "alias" => new.alias = Some(field),
        "domain" => new.domain = Some(field),
        "title" => new.title = Some(field),
        "tags" => new.tags = field.split(';').map(|tag| tag.trim().to_owned()).collect(),
        "redirect" => new.redirect = Some(field.parse().map_err(|_| bad(()))?),
        "max_visits" => new.max_visits = Some(field.parse().map_err(|_| bad(()))?),
        "expires_at" => new.expires_at = Some(moment(field).ok_or(()).map_err(bad)?),
        _ => {}
    }
    Ok(())
}

fn moment(field: String) -> Option<Moment> {
    serde_json::from_value(serde_json::Value::String(field)).ok()
}

fn outcome(index: usize, created: Result<Created, Fault>) -> Outcome {
    let (status, answer) = match created {
        Ok(Created::New(answer) | Created::Replayed(answer)) => (201, answer),
        Ok(Created::Unannounced(answer)) => (202, answer),
        Err(fault) => {
            let problem = fault.problem();
            return Outcome { index, status: problem.status, link: None, problem: Some(problem) };
        }
    };
    let link = serde_json::from_slice(&answer.body).ok();
    Outcome { index, status, link, problem: None }
}
