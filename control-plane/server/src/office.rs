//! Which of the servers on one database keeps the counts of limits.
//!
//! One does; the others pass on to it what nodes, Envoys and people ask about counts. It raises its beat in
//! the database twice a second. A server that cannot do so for [`TERM_MS`] keeps nothing any more, and one
//! that sees the beat stand still for [`STILL_MS`] takes over: never two at once, and no two machines'
//! clocks are compared. Meanwhile the answer is 503, and nodes do what their limits say for that case.
//!
//! **Invariant:** a key is counted by one server at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, TE};
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tidegate_control_api::paths;
use tidegate_control_store::{CountsOwner, Result};
use tokio::time::{Instant, sleep, timeout};

use crate::app::App;
use crate::faults::Refusal;

/// How often the owner raises its beat, and how often the others look.
const BEAT_MS: u64 = 500;
/// How long the owner keeps counting after the beginning of the last beat that it could write.
const TERM_MS: u64 = 2_000;
/// How long a beat must stand still before another server takes over; longer than the term.
const STILL_MS: u64 = 3_500;
/// How long what is passed on may take.
const PASS_MS_MAX: u64 = 2_000;
const BODY_BYTES_MAX: usize = 8 << 20;
/// On what was passed on once: it is not passed on again.
const PASSED: HeaderName = HeaderName::from_static("x-tidegate-passed-on");
const KEPT_FIELDS: [HeaderName; 4] =
    [CONTENT_TYPE, ACCEPT, TE, HeaderName::from_static("grpc-timeout")];
/// What only the owner of the counts can answer.
const PATHS: [&str; 3] = [paths::COUNTERS, paths::RLS, paths::LIMITS];

/// This server's part in it.
pub(crate) struct Office {
    holder: String,
    address: String,
    /// For what reports, and for what only reads.
    authorization: [HeaderValue; 2],
    standing: Mutex<Standing>,
    http: Client<HttpConnector, Body>,
}

#[derive(Clone, Debug, PartialEq)]
enum Standing {
    /// Alone on its database.
    Sole,
    OwnerUntil(Instant),
    Other(String),
    Nobody,
}

impl Office {
    /// `shared` when other servers may be on the same database; `secrets` are what they know each other
    /// by, for what reports and for what only reads.
    pub(crate) fn new(shared: bool, holder: String, address: String, secrets: [&str; 2]) -> Self {
        let bearer = |secret: &str| HeaderValue::from_str(&format!("Bearer {secret}"));
        let authorization =
            secrets.map(|secret| bearer(secret).unwrap_or(HeaderValue::from_static("")));
        let http = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self {
            holder,
            address,
            authorization,
            standing: Mutex::new(if shared { Standing::Nobody } else { Standing::Sole }),
            http,
        }
    }

    fn standing(&self) -> Standing {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*standing, Standing::OwnerUntil(until) if until <= Instant::now()) {
            *standing = Standing::Nobody;
        }
        standing.clone()
    }

    fn stand(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// Whether this server keeps the counts now.
    pub(crate) fn is_owner(&self) -> bool {
        matches!(self.standing(), Standing::Sole | Standing::OwnerUntil(_))
    }

    /// Whether another server may have to take over what is kept here.
    pub(crate) fn is_shared(&self) -> bool {
        self.standing() != Standing::Sole
    }
}

/// Keeps up with who is the owner, until the server stops.
pub(crate) async fn keep(app: App) {
    if !app.office.is_shared() {
        return;
    }
    let mut seen: Option<(CountsOwner, Instant)> = None;
    loop {
        if let Err(error) = look(&app, &mut seen).await {
            tracing::warn!(%error, "owner of the counts of limits");
        }
        tokio::select! {
            () = sleep(Duration::from_millis(BEAT_MS)) => {}
            () = app.stop.cancelled() => return,
        }
    }
}

async fn look(app: &App, seen: &mut Option<(CountsOwner, Instant)>) -> Result<()> {
    let office = &app.office;
    let began = Instant::now();
    let Some(owner) = app.store.counts_beat(&office.holder, &office.address).await? else {
        return Ok(());
    };
    if owner.holder == office.holder {
        return reign(app, began).await;
    }
    let since = match seen {
        Some((known, since)) if *known == owner => *since,
        _ => began,
    };
    *seen = Some((owner.clone(), since));
    if since.elapsed() < Duration::from_millis(STILL_MS) {
        office.stand(Standing::Other(owner.address));
        return Ok(());
    }
    office.stand(Standing::Nobody);
    let began = Instant::now();
    match app.store.counts_take(&office.holder, &office.address, &owner).await? {
        true => reign(app, began).await,
        false => Ok(()),
    }
}

/// A new owner begins with what the last one wrote down.
async fn reign(app: &App, began: Instant) -> Result<()> {
    if !app.office.is_owner() {
        app.counters.begin(&app.store.counts_kept().await?);
        tracing::info!("this server keeps the counts of limits");
    }
    app.office.stand(Standing::OwnerUntil(began + Duration::from_millis(TERM_MS)));
    Ok(())
}

/// Lets the next server take over at once.
pub(crate) async fn leave(app: &App) {
    if app.office.is_shared() && app.office.is_owner() {
        app.office.stand(Standing::Nobody);
        if let Err(error) = app.store.counts_leave(&app.office.holder).await {
            tracing::warn!(%error, "owner of the counts of limits");
        }
    }
}

/// Has what is asked about counts answered by whoever keeps them.
pub(crate) async fn at_owner(State(app): State<App>, request: Request, next: Next) -> Response {
    if !PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let nobody = || {
        Refusal::new(503, "counters", "no server keeps the counts at the moment", "ask again soon")
            .into_response()
    };
    match app.office.standing() {
        Standing::Sole | Standing::OwnerUntil(_) => next.run(request).await,
        Standing::Other(address) if !request.headers().contains_key(PASSED) => {
            let passed = timeout(Duration::from_millis(PASS_MS_MAX), pass(&app, request, &address));
            match passed.await {
                Ok(Some(response)) => response,
                Ok(None) | Err(_) => nobody(),
            }
        }
        Standing::Other(_) | Standing::Nobody => nobody(),
    }
}

async fn pass(app: &App, request: Request, address: &str) -> Option<Response> {
    let (from, body) = request.into_parts();
    let mut to = Request::new(Body::from(to_bytes(body, BODY_BYTES_MAX).await.ok()?));
    let path = from.uri.path_and_query().cloned();
    let reads = usize::from(from.method == Method::GET);
    *to.method_mut() = from.method;
    *to.uri_mut() = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(address.parse::<Authority>().ok()?)
        .path_and_query(path.unwrap_or(PathAndQuery::from_static("/")))
        .build()
        .ok()?;
    let fields = to.headers_mut();
    for name in KEPT_FIELDS {
        if let Some(value) = from.headers.get(&name) {
            fields.insert(name, value.clone());
        }
    }
    fields.insert(AUTHORIZATION, app.office.authorization[reads].clone());
    fields.insert(PASSED, HeaderValue::from_static("1"));
    let answer = app.office.http.request(to).await;
    let answer = answer.inspect_err(|error| tracing::debug!(%error, address, "not passed on"));
    Some(answer.ok()?.map(Body::new))
}
