//! The two pages that visitors may see instead of a target.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tidegate_origin_kit::caching::Caching;
use tidegate_origin_kit::{Fault, Moment};

use crate::model::link::Link;
use crate::settings::Domain;

/// The pages load nothing and run nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "preview.html")]
struct Preview<'a> {
    short_url: String,
    code: &'a str,
    title: Option<&'a str>,
    target: Option<&'a str>,
    created: String,
}

#[derive(Template)]
#[template(path = "password.html")]
struct Password<'a> {
    code: &'a str,
    wrong: bool,
}

/// Says where a link leads; of a link with rules or a password, that it depends.
pub(crate) fn preview(link: &Link, domain: Domain<'_>) -> Result<Response, Fault> {
    let open = link.extra.password.is_none() && link.extra.rules.is_empty();
    let page = Preview {
        short_url: domain.short_url(&link.code),
        code: &link.code,
        title: link.extra.title.as_deref(),
        target: open.then_some(&link.target),
        created: Moment(link.created_at).to_string().chars().take(10).collect(),
    };
    page_of(StatusCode::OK, &page)
}

/// Asks for the password.
pub(crate) fn password(link: &Link, wrong: bool) -> Result<Response, Fault> {
    let status = if wrong { StatusCode::FORBIDDEN } else { StatusCode::OK };
    page_of(status, &Password { code: &link.code, wrong })
}

fn page_of(status: StatusCode, page: &impl Template) -> Result<Response, Fault> {
    let html = page.render().map_err(Fault::bug)?;
    let fields = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((status, Caching::Never, fields, [("x-robots-tag", "noindex")], html).into_response())
}
