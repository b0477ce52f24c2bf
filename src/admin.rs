//! The admin verbs: what an administrator types.

use std::{collections::HashSet, path::Path, process::ExitCode, time::Duration, time::Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client as Http, rt::TokioExecutor};
use serde_json::{Value, json};
use tidegate_control_client::{
    Apply, Client, ClientError,
    api::{Change, ChangeKind, Node, NodeKind, NodeList, Phase, Problem, Purge, PurgeTarget},
};

use crate::{
    cli::Args,
    programs::{PATIENCE, read_token, runtime},
    say,
};

/// How often `config apply` looks how far the nodes are.
const POLL_MS: u64 = 50;

/// `tidegate status`
pub(crate) fn status(args: Args) -> Result<ExitCode> {
    let nodes = call(&args, |client| async move { client.nodes_list().await })?;
    if args.flag("json") {
        return print_json(&nodes);
    }
    let revision = nodes.revision.map_or("none".to_owned(), |revision| revision.to_string());
    say(&format!("fleet revision {revision}\n\n{}", node_table(&nodes)));
    let well = nodes.nodes.iter().all(|node| node.healthy || !node.live);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `tidegate config apply`
pub(crate) fn config_apply(args: Args) -> Result<ExitCode> {
    let (text, folder) = spec_file(&args)?;
    let apply = Apply { message: args.get("message").unwrap_or("").to_owned(), ..Apply::default() };
    let client = client(&args)?;
    runtime()?.block_on(async {
        let applied = match client.spec_apply(&text, &folder, &apply).await {
            Ok(applied) => applied,
            Err(error) => return refused(&args, &error),
        };
        if args.flag("json") {
            print_json(&applied)?;
        } else if applied.changed {
            say(&format!(
                "revision {}\n{}",
                applied.revision.revision,
                change_lines(&applied.changes)
            ));
        } else {
            say(&format!(
                "revision {} is this already; nothing to do\n",
                applied.revision.revision
            ));
        }
        if args.flag("no-wait") {
            return Ok(ExitCode::SUCCESS);
        }
        follow(&client, applied.revision.revision).await
    })
}

/// Waits until every live edge runs the revision, or one refuses it.
async fn follow(client: &Client, revision: u64) -> Result<ExitCode> {
    let started = Instant::now();
    let mut shown = None;
    loop {
        let nodes = client.nodes_list().await?;
        let edges: Vec<&Node> =
            nodes.nodes.iter().filter(|node| node.live && node.kind == NodeKind::Edge).collect();
        let runs = |node: &&&Node| {
            node.beat.revision == Some(revision)
                || node.acked == Some(revision)
                    && matches!(node.phase, Some(Phase::Active | Phase::Healthy))
        };
        let active = edges.iter().filter(runs).count();
        if shown != Some(active) {
            eprintln!(
                "{active} of {} live edges run it ({} ms)",
                edges.len(),
                started.elapsed().as_millis()
            );
            shown = Some(active);
        }
        let against = edges.iter().find(|node| {
            node.acked == Some(revision)
                && matches!(node.phase, Some(Phase::Rejected | Phase::Reverted))
        });
        if let Some(node) = against {
            eprintln!("{} refused it and stays on what it had:", node.node);
            eprint!("{}", problem_lines(&node.problems));
            return Ok(ExitCode::FAILURE);
        }
        if active == edges.len() {
            return Ok(ExitCode::SUCCESS);
        }
        if started.elapsed() > PATIENCE {
            bail!("not every live edge runs revision {revision}; see `tidegate status`");
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
}

/// `tidegate config validate`
pub(crate) fn config_validate(args: Args) -> Result<ExitCode> {
    let (text, folder) = spec_file(&args)?;
    if args.flag("offline") {
        return match tidegate_snapshot::compile_text(&text, 1) {
            Ok(_) => Ok(say("no problems\n")),
            Err(problems) => {
                eprint!("{}", problem_lines(&problems));
                Ok(ExitCode::FAILURE)
            }
        };
    }
    let client = client(&args)?;
    runtime()?.block_on(async {
        match client.spec_validate(&text, &folder).await {
            Err(error) => refused(&args, &error),
            Ok(validation) if args.flag("json") => print_json(&validation),
            Ok(validation) if validation.is_same() => {
                Ok(say("no problems, and nothing would change\n"))
            }
            Ok(validation) => Ok(say(&format!(
                "no problems; it would change:\n{}",
                change_lines(&validation.changes)
            ))),
        }
    })
}

/// `tidegate config get`
pub(crate) fn config_get(args: Args) -> Result<ExitCode> {
    if args.flag("json") {
        let fetched = call(&args, |client| async move { client.spec_get().await })?;
        return print_json(&fetched.map_or(Value::Null, |fetched| fetched.spec));
    }
    let yaml = call(&args, |client| async move { client.spec_get_yaml().await })?;
    Ok(say(&yaml))
}

/// `tidegate config history`
pub(crate) fn config_history(args: Args) -> Result<ExitCode> {
    let page = call(&args, |client| async move { client.revisions(u64::MAX).await })?;
    if args.flag("json") {
        return print_json(&page);
    }
    let rows = page.revisions.iter().map(|revision| {
        let of = revision.rollback_of.map_or(String::new(), |of| format!("rollback to {of}"));
        let message = if revision.message.is_empty() { of } else { revision.message.clone() };
        vec![
            revision.revision.to_string(),
            when(revision.at),
            revision.author.clone(),
            revision.hash.chars().take(12).collect(),
            message,
        ]
    });
    Ok(say(&table(&["revision", "when", "author", "hash", "message"], rows.collect())))
}

/// `tidegate config rollback`
pub(crate) fn config_rollback(args: Args) -> Result<ExitCode> {
    let old: u64 = args.positional[0].parse().context("REVISION is a number")?;
    let client = client(&args)?;
    runtime()?.block_on(async {
        let applied = client.rollback(old).await?;
        say(&format!("revision {} has the spec of revision {old}\n", applied.revision.revision));
        follow(&client, applied.revision.revision).await
    })
}

/// `tidegate purge`
pub(crate) fn purge(args: Args) -> Result<ExitCode> {
    let mut targets: Vec<PurgeTarget> =
        args.positional.iter().cloned().map(PurgeTarget::Url).collect();
    let named = |name, make: fn(String) -> PurgeTarget| {
        args.all(name).into_iter().map(str::to_owned).map(make).collect::<Vec<_>>()
    };
    targets.extend(named("tag", PurgeTarget::Tag));
    targets.extend(named("prefix", PurgeTarget::Prefix));
    targets.extend(named("host", PurgeTarget::Host));
    if args.flag("all") {
        targets.push(PurgeTarget::All(true));
    }
    if targets.is_empty() {
        bail!("say what to purge: URL..., --tag, --prefix, --host or --all");
    }
    if let Some(admin) = args.get("admin").filter(|admin| !admin.is_empty()) {
        let wish = json!({ "targets": targets, "soft": args.flag("soft") }).to_string();
        let (status, body) = runtime()?.block_on(send("POST", &format!("{admin}/purge"), wish))?;
        say(&String::from_utf8_lossy(&body));
        return Ok(if status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let wait_ms = args.read("wait")?.unwrap_or(5000);
    let purge = Purge { targets, soft: args.flag("soft"), wait_ms };
    let report = call(&args, |client| async move { client.purge(&purge).await })?;
    if args.flag("json") {
        print_json(&report)?;
    } else {
        say(&format!(
            "purge {}: {} edges have carried it out\n",
            report.seq,
            report.acknowledged.len()
        ));
        for node in &report.missing {
            say(&format!("  {node} has not answered yet\n"));
        }
        for node in &report.away {
            say(&format!("  {node} is away and catches up before it serves\n"));
        }
    }
    Ok(if report.done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `tidegate link create`
pub(crate) fn link_create(args: Args) -> Result<ExitCode> {
    let service = args.get("service").unwrap_or_default();
    let mut body = json!({ "url": args.positional[0] });
    if let Some(alias) = args.get("alias") {
        body["alias"] = alias.into();
    }
    let url = format!("{service}/shorten");
    let (status, answer) = runtime()?.block_on(send("POST", &url, body.to_string()))?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    if status != 201 {
        bail!("the links service answered {status}: {}", text.trim());
    }
    let answer: Value = serde_json::from_slice(&answer)?;
    Ok(say(&format!("{}\n", answer["short_url"].as_str().unwrap_or(&text))))
}

/// `tidegate warm`
pub(crate) fn warm(args: Args) -> Result<ExitCode> {
    let admin = args.get("admin").unwrap_or_default().to_owned();
    let segments: usize = args.get("segments").unwrap_or("3").parse().context("--segments")?;
    let runtime = runtime()?;
    let (mut queue, mut warmed) = (args.positional, Warmed::default());
    let mut seen: HashSet<String> = queue.iter().cloned().collect();
    // Some at a time, so that it shows how far it is.
    while !queue.is_empty() {
        let some: Vec<String> = queue.drain(..queue.len().min(WARM_AT_ONCE)).collect();
        let wish = json!({ "urls": some, "segments": segments, "follow": false }).to_string();
        let (status, body) = runtime.block_on(send("POST", &format!("{admin}/warm"), wish))?;
        if status != 200 {
            bail!("{admin}/warm answered {status}: {}", String::from_utf8_lossy(&body).trim());
        }
        let mut part: Warmed = serde_json::from_slice(&body).context("the edge's answer")?;
        queue.extend(part.named.drain(..).filter(|url| seen.insert(url.clone())));
        warmed.add(part);
        warmed.progress(queue.len());
    }
    Ok(if warmed.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Addresses that one request warms.
const WARM_AT_ONCE: usize = 8;

/// What an edge says of a warming.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Warmed {
    fetched: usize,
    failed: usize,
    bytes: u64,
    failures: Vec<String>,
    named: Vec<String>,
}

impl Warmed {
    fn add(&mut self, part: Self) {
        self.fetched += part.fetched;
        self.failed += part.failed;
        self.bytes += part.bytes;
        part.failures.iter().for_each(|failure| eprintln!("failed: {failure}"));
    }

    fn progress(&self, left: usize) {
        let Self { fetched, failed, bytes, .. } = self;
        say(&format!("{fetched} fetched ({} KiB), {failed} failed, {left} to go\n", bytes / 1024));
    }
}

/// `tidegate explain`
pub(crate) fn explain(args: Args) -> Result<ExitCode> {
    let admin = args.get("admin").unwrap_or_default();
    let url = tidegate_control_client::api::paths::encode(&args.positional[0]);
    let (_, body) = runtime()?.block_on(fetch(&format!("{admin}/explain?url={url}")))?;
    Ok(say(&String::from_utf8_lossy(&body)))
}

// === calling ===

pub(crate) fn client(args: &Args) -> Result<Client> {
    let token = match std::env::var("TIDEGATE_TOKEN") {
        Ok(token) => token,
        Err(_) => {
            let file = args.get("token-file").unwrap_or_default();
            read_token(Path::new(file)).with_context(|| {
                format!(
                    "no token: TIDEGATE_TOKEN is not set and --token-file {file} cannot be read"
                )
            })?
        }
    };
    Ok(Client::new(args.get("server").unwrap_or_default(), &token)?)
}

pub(crate) fn call<T, F>(args: &Args, ask: impl FnOnce(Client) -> F) -> Result<T>
where
    F: Future<Output = std::result::Result<T, ClientError>>,
{
    let client = client(args)?;
    Ok(runtime()?.block_on(ask(client))?)
}

/// `GET` of a plain HTTP URL.
pub(crate) async fn fetch(url: &str) -> Result<(u16, Bytes)> {
    send("GET", url, String::new()).await
}

async fn send(method: &str, url: &str, body: String) -> Result<(u16, Bytes)> {
    let json = [("content-type".to_owned(), "application/json".to_owned())];
    send_with(method, url, if body.is_empty() { &[] } else { &json }, body).await
}

/// One plain HTTP request.
pub(crate) async fn send_with(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: String,
) -> Result<(u16, Bytes)> {
    let http = Http::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = hyper::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = http.request(request.body(Full::from(body))?).await?;
    let status = answer.status().as_u16();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

fn spec_file(args: &Args) -> Result<(String, std::path::PathBuf)> {
    let path = Path::new(&args.positional[0]);
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok((text, path.parent().unwrap_or(Path::new(".")).to_path_buf()))
}

// === showing ===

/// A spec that was refused: every problem with its place, and that nothing has changed.
fn refused(args: &Args, error: &ClientError) -> Result<ExitCode> {
    if error.problems().is_empty() {
        bail!("{error}");
    }
    let file = &args.positional[0];
    eprintln!("{file}: {} problem(s), nothing was changed", error.problems().len());
    eprint!("{}", problem_lines(error.problems()));
    Ok(ExitCode::FAILURE)
}

pub(crate) fn problem_lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}\n")).collect()
}

fn change_lines(changes: &[Change]) -> String {
    let short = |value: &Option<Value>| match value {
        None => String::new(),
        Some(value) => {
            let text = value.to_string();
            if text.chars().count() > 60 {
                text.chars().take(57).chain("...".chars()).collect()
            } else {
                text
            }
        }
    };
    let line = |change: &Change| match change.kind {
        ChangeKind::Added => format!("  + {} {}\n", change.path, short(&change.after)),
        ChangeKind::Removed => format!("  - {} {}\n", change.path, short(&change.before)),
        ChangeKind::Changed => {
            format!("  ~ {} {} -> {}\n", change.path, short(&change.before), short(&change.after))
        }
    };
    changes.iter().map(line).collect()
}

fn node_table(nodes: &NodeList) -> String {
    let rows = nodes.nodes.iter().map(|node| {
        let state = match (node.live, node.healthy, node.drift) {
            (false, ..) => "away",
            (_, true, _) => "healthy",
            (_, _, true) => "drift",
            _ => "settling",
        };
        vec![
            node.node.clone(),
            node.kind.as_str().to_owned(),
            state.to_owned(),
            node.beat.revision.map_or("-".to_owned(), |revision| revision.to_string()),
            node.phase.map_or("-", Phase::as_str).to_owned(),
            node.beat.version.clone(),
            node.beat.address.clone().unwrap_or_default(),
        ]
    });
    table(&["node", "kind", "state", "revision", "phase", "version", "address"], rows.collect())
}

/// Columns as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut out = line(head.to_vec());
    for row in &rows {
        out += &line(row.iter().map(String::as_str).collect());
    }
    out
}

/// An instant as an HTTP date.
pub(crate) fn when(unix_us: u64) -> String {
    String::from_utf8_lossy(&tidegate_http::date::format(unix_us / 1_000_000)).into_owned()
}

pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<ExitCode> {
    Ok(say(&format!("{}\n", serde_json::to_string_pretty(value)?)))
}
