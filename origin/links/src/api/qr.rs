//! Short addresses as pictures for cameras.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde::Deserialize;
use tidegate_origin_kit::Fault;
use tidegate_origin_kit::caching::Caching;
use tidegate_origin_kit::extract::{Path, Query};
use tidegate_origin_kit::fault::Problem;
use utoipa::{IntoParams, ToSchema};

use super::domain_name;
use super::links::READ;
use crate::app::App;
use crate::model::qr::{Picture, SCALE_MAX};

/// Seconds for which the picture may be kept: it changes only with the domain's address.
const KEEP_SECS: u32 = 3600;
/// Pixels a module where nothing else is asked for.
const SCALE: usize = 8;

/// How the picture is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Look {
    /// `svg` (default) or `png`.
    #[serde(default)]
    format: Format,
    /// Pixels of a module of a PNG, 1 to 32; 8 when absent.
    scale: Option<usize>,
    /// The domain's name; `default` when absent.
    domain: Option<String>,
}

/// A kind of picture.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Scalable.
    #[default]
    Svg,
    /// Pixels.
    Png,
}

/// The QR code of a link's short address.
#[utoipa::path(get, path = "/v1/links/{code}/qr", tag = "links", params(("code", Path), Look), responses(
    (status = 200, content_type = "image/svg+xml"), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 410, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn picture(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Query(look): Query<Look>,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    settings.api_keys.require(&headers, READ)?;
    let scale = look.scale.unwrap_or(SCALE);
    if !(1..=SCALE_MAX).contains(&scale) {
        return Err(Fault::invalid("scale", "range", format!("scale is 1 to {SCALE_MAX}")));
    }
    let domain = App::known(&settings, domain_name(look.domain.as_ref()))?;
    let link = app.read(domain, &code).await?;
    let picture = Picture::of(&domain.short_url(&link.code));
    let picture = picture.ok_or_else(|| Fault::bug("address too long for a QR code"))?;
    let (kind, bytes) = match look.format {
        Format::Svg => ("image/svg+xml", picture.svg().into_bytes()),
        Format::Png => ("image/png", picture.png(scale)),
    };
    let caching = Caching::Own { max_age_secs: KEEP_SECS };
    Ok((caching, [(header::CONTENT_TYPE, kind)], bytes).into_response())
}
