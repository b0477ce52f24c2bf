//! `tidegate anomalies`: clients and routes that stand out, as a table.

use std::process::ExitCode;

use anyhow::{Result, bail};
use tidegate_control_client::api::{
    AnomalousClient, AnomalousRoute, AnomalyPage, WatchedLimit, paths,
};

use crate::{
    admin::{call, fetch, print_json, table, when},
    cli::Args,
    programs::runtime,
    say,
};

/// `tidegate anomalies`
pub(crate) fn anomalies(args: Args) -> Result<ExitCode> {
    let page = match args.get("admin") {
        Some(admin) => of_node(&args, admin)?,
        None if args.given("value").is_some() => {
            bail!("--value asks one node: say which with --admin http://ADDRESS:PORT")
        }
        None => call(&args, |client| async move { client.anomalies().await })?,
    };
    if args.flag("json") {
        return print_json(&page);
    }
    Ok(say(&shown(&page)))
}

fn of_node(args: &Args, admin: &str) -> Result<AnomalyPage> {
    let mut url = format!("{admin}{}", paths::ANOMALIES);
    match (args.given("limit"), args.given("value")) {
        (Some(limit), Some(value)) => {
            url += &format!("?limit={}&value={}", paths::encode(limit), paths::encode(value));
        }
        (None, None) => {}
        _ => bail!("--limit and --value go together"),
    }
    let (status, body) = runtime()?.block_on(fetch(&url))?;
    if status != 200 {
        bail!("{url} answered {status}");
    }
    Ok(serde_json::from_slice(&body)?)
}

fn shown(page: &AnomalyPage) -> String {
    if page.limits.is_empty() && page.clients.is_empty() && page.routes.is_empty() {
        return "no limit has an `anomaly`, or no node has said anything yet\n".to_owned();
    }
    let head = ["limit", "action", "state", "clients", "usual rate", "failed", "denied"];
    let mut out = table(&head, page.limits.iter().map(limit_row).collect());
    out += "\n";
    if page.clients.is_empty() {
        out += "no client stands out\n";
    } else {
        let head = [
            "state",
            "limit",
            "key",
            "by",
            "z",
            "rate",
            "usual",
            "to",
            "would deny",
            "denied",
            "since",
            "until",
            "found by",
        ];
        out += &table(&head, page.clients.iter().map(client_row).collect());
    }
    if !page.routes.is_empty() {
        let head = ["route", "by", "z", "value", "usual", "since", "found by"];
        out += "\n";
        out += &table(&head, page.routes.iter().map(route_row).collect());
    }
    out
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn rate(rate: f64) -> String {
    if rate < 1.0 { format!("{:.1}/min", rate * 60.0) } else { format!("{rate:.1}/s") }
}

/// A rate or a share, as the signal says.
fn value(signal: &str, value: f64) -> String {
    if signal == "rate" { rate(value) } else { percent(value) }
}

fn limit_row(limit: &WatchedLimit) -> Vec<String> {
    vec![
        limit.limit.clone(),
        limit.action.clone(),
        if limit.warm { "watching" } else { "learning" }.to_owned(),
        format!("{:.0}", limit.clients),
        rate(limit.usual_rate),
        percent(limit.usual_failed),
        percent(limit.usual_denied),
    ]
}

fn client_row(client: &AnomalousClient) -> Vec<String> {
    vec![
        client.state.clone(),
        client.limit.clone(),
        client.key.clone(),
        match client.signal.as_str() {
            "rate" | "" => client.signal.clone(),
            signal => format!("{signal} {}", percent(client.share)),
        },
        format!("{:.1}", client.z),
        rate(client.rate),
        value(&client.signal, client.usual),
        client.tightened_to.map_or_else(|| "-".to_owned(), rate),
        client.would_deny.to_string(),
        client.denied.to_string(),
        when(client.since),
        client.until.map_or_else(|| "-".to_owned(), when),
        client.found_by.clone(),
    ]
}

fn route_row(route: &AnomalousRoute) -> Vec<String> {
    vec![
        route.route.clone(),
        route.signal.clone(),
        format!("{:.1}", route.z),
        value(&route.signal, route.value),
        value(&route.signal, route.usual),
        when(route.since),
        route.found_by.clone(),
    ]
}
