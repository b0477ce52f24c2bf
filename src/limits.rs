//! `tidegate limits`: what limits decided, and what is pushed about them beside the spec.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use tidegate_control_client::api::{Op, TableOp};
use tidegate_spec::units::parse_rate;

use crate::{
    admin::{call, fetch, table},
    cli::Args,
    say,
};

/// The pushed table that edges lay over the spec's limits.
const TABLE: &str = "limits";

/// `tidegate limits`
pub(crate) fn list(args: Args) -> Result<ExitCode> {
    let (admin, top) = (args.get("admin").unwrap_or_default(), args.get("top").unwrap_or("20"));
    let (status, body) =
        crate::programs::runtime()?.block_on(fetch(&format!("{admin}/v1/limits?top={top}")))?;
    if status != 200 {
        bail!("{admin} answered {status}");
    }
    if args.flag("json") {
        return Ok(say(&String::from_utf8_lossy(&body)));
    }
    let page: Value = serde_json::from_slice(&body)?;
    let all = |name: &str| page[name].as_array().cloned().unwrap_or_default();
    let cells =
        |line: &Value, names: &[&str]| names.iter().map(|name| cell(&line[*name])).collect();
    let limits = ["name", "mode", "allowed", "denied", "shadow_denied", "degraded"];
    say(&table(&limits, all("limits").iter().map(|line| cells(line, &limits)).collect()));
    let denied = all("denied_most");
    if !denied.is_empty() {
        let names = ["limit", "key", "denied"];
        say("\nkeys denied most, by their hash\n");
        say(&table(&names, denied.iter().map(|line| cells(line, &names)).collect()));
    }
    Ok(ExitCode::SUCCESS)
}

fn cell(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `tidegate limits set`
pub(crate) fn set(args: Args) -> Result<ExitCode> {
    let (name, values) = named(&args)?;
    let mut value = Map::new();
    if let Some(rate) = args.get("rate") {
        parse_rate(rate).with_context(|| format!("--rate {rate} is not of the form 50/s"))?;
        value.insert("rate".into(), rate.into());
    }
    for option in ["burst", "at-once"] {
        if let Some(number) = args.read::<u32>(option)? {
            value.insert(option.replace('-', "_"), number.into());
        }
    }
    for flag in ["block", "free"].into_iter().filter(|flag| args.flag(flag)) {
        value.insert(flag.into(), true.into());
    }
    if value.is_empty()
        || (args.flag("block") && value.len() > 1)
        || (args.flag("free") && value.len() > 1)
    {
        bail!("say --rate, --burst or --at-once; or --block alone; or --free alone");
    }
    if values.len() > 1 {
        value.insert("key".into(), json!(values));
    }
    push(&args, TableOp { op: Op::Put, key: key(name, values), value: Some(value.into()) })
}

/// `tidegate limits unset`
pub(crate) fn unset(args: Args) -> Result<ExitCode> {
    let (name, values) = named(&args)?;
    push(&args, TableOp::delete(key(name, values)))
}

/// `tidegate limits switch`
pub(crate) fn switch(args: Args) -> Result<ExitCode> {
    let key = format!("switch/{}", args.positional[0]);
    let word = args.positional.get(1).map_or("", String::as_str);
    let value = match word {
        "spec" => return push(&args, TableOp::delete(key)),
        "off" => json!({ "enabled": false }),
        "on" => json!({ "enabled": true }),
        "shadow" => json!({ "enforce_percent": 0 }),
        percent => {
            let percent = percent.strip_suffix('%').and_then(|text| text.parse::<u16>().ok());
            let percent = percent.filter(|percent| *percent <= 100);
            let percent = percent.context("say off, on, shadow, a share such as 25%, or spec")?;
            json!({ "enforce_percent": percent })
        }
    };
    push(&args, TableOp { op: Op::Put, key, value: Some(value) })
}

fn named(args: &Args) -> Result<(&str, &[String])> {
    match args.positional.split_first() {
        Some((name, values)) if !values.is_empty() => Ok((name, values)),
        _ => bail!("say the limit's name and the key, a value for each part of the limit's key"),
    }
}

/// Keys of several parts stand under a name made of them.
fn key(name: &str, values: &[String]) -> String {
    format!("key/{name}/{}", values.join(" "))
}

fn push(args: &Args, op: TableOp) -> Result<ExitCode> {
    let seq = call(args, |client| async move { client.table_append(TABLE, vec![op]).await })?;
    Ok(say(&format!("pushed, number {seq} of the table {TABLE}\n")))
}
