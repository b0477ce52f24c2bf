//! The registry of plugin modules: checked when they are pushed, named by specs afterwards.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tidegate_control_api::{PluginList, PluginNew, PluginVersion, Problem};
use tidegate_control_store::{AuditNew, micros_now};
use tidegate_spec::{PluginModule, Spec};

use crate::access::Caller;
use crate::app::App;
use crate::faults::Refusal;
use crate::nodes::check_name;

/// Most bytes of a version's name.
const VERSION_BYTES_MAX: usize = 64;

/// Lists every version that was pushed.
#[utoipa::path(get, path = "/v1/plugins", tag = "plugins", responses((status = 200, body = PluginList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<PluginList>, Refusal> {
    Ok(Json(PluginList { plugins: app.store.plugins().await? }))
}

/// Checks a module that was uploaded as a blob, runs its test cases, and enters it.
#[utoipa::path(post, path = "/v1/plugins", tag = "plugins", request_body = PluginNew,
    responses((status = 201, body = PluginVersion), (status = 422)))]
pub(crate) async fn push(
    State(app): State<App>,
    caller: Caller,
    Json(new): Json<PluginNew>,
) -> Result<(StatusCode, Json<PluginVersion>), Refusal> {
    check_name(&new.name)?;
    check_version(&new.version)?;
    let (path, bytes) = app.store.blob_path(&new.sha256).ok_or_else(|| {
        let detail = format!("upload the module first: PUT /v1/blobs/{}", new.sha256);
        Refusal::new(422, "refused", "the module is missing", detail)
    })?;
    let check = app.plugin_check.clone();
    let asked = new.clone();
    // Compiling and running cases takes as long as it takes.
    let checked = tokio::task::spawn_blocking(move || match check {
        None => Ok(0),
        Some(check) => {
            let module = std::fs::read(path).map_err(|error| vec![error.to_string()])?;
            (check.0)(&module, &asked)
        }
    });
    let cases = match checked.await.map_err(|error| Refusal::bad(error.to_string()))? {
        Ok(cases) => cases,
        Err(problems) => {
            let subject = format!("{}@{}", new.name, new.version);
            let entry = AuditNew::refused(&caller.name, "plugin.push", subject, "invalid");
            app.audit(entry).await;
            let problems = problems.into_iter().map(|text| Problem::new("module".to_owned(), text));
            return Err(Refusal::invalid(problems.collect()));
        }
    };
    let version = PluginVersion {
        name: new.name,
        version: new.version,
        sha256: new.sha256,
        bytes,
        cases,
        signature: new.signature,
        public_key: new.public_key,
        author: caller.name,
        at: micros_now(),
    };
    Ok((StatusCode::CREATED, Json(app.store.plugin_add(version).await?)))
}

fn check_version(version: &str) -> Result<(), Refusal> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    if version.is_empty() || version.len() > VERSION_BYTES_MAX || !version.bytes().all(good) {
        let detail = "a version is letters, digits, '.', '_', '-' and '+', such as 1.4.0";
        return Err(Refusal::new(422, "refused", "that is no version", detail));
    }
    Ok(())
}

/// Puts hashes in the place of `registry: name@version`, and the signature that was pushed beside it;
/// what is not there is a problem.
pub(crate) async fn resolve(app: &App, spec: &mut Spec) -> Result<Vec<Problem>, Refusal> {
    let mut problems = Vec::new();
    for (index, plugin) in spec.plugins.iter_mut().enumerate() {
        let PluginModule::Registry(entry) = &plugin.module else { continue };
        let (name, version) = entry.split_once('@').unwrap_or((entry, ""));
        match app.store.plugin_find(name, version).await? {
            Some(found) => {
                plugin.module = PluginModule::Sha256(found.sha256);
                if plugin.signature.is_empty() {
                    plugin.signature = found.signature.unwrap_or_default();
                }
            }
            None => {
                let path = format!("plugins[{index}].module.registry");
                let message = format!("{entry} was not pushed");
                let hint = "`tidegate plugin list` shows what was; write name@version";
                problems.push(Problem::new(path, message).hint(hint));
            }
        }
    }
    Ok(problems)
}
