//! `tidegate sign`: tokens of Tidegate's own format, and keys for them.

use std::{process::ExitCode, time::SystemTime};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tidegate_sign::{
    Algorithm, Carrier, Claims, Key, Keyset, KeysetOptions, Scope, mint, mint_url,
};
use tidegate_spec::units::parse_duration;

use crate::{cli::Args, say};

/// `tidegate sign`
pub(crate) fn sign(args: Args) -> Result<ExitCode> {
    let keyset = keyset(&args)?;
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let url = &args.positional[0];
    let claims = claims(&args, url, now_s)?;
    let text = match args.get("in").unwrap_or("query") {
        "query" => mint_url(&keyset, url, &claims, &Carrier::Query)?,
        "path" => mint_url(&keyset, url, &claims, &Carrier::Path)?,
        "alone" => mint(&keyset, &claims)?,
        other => bail!("--in {other}: write query, path or alone"),
    };
    Ok(say(&format!("{text}\n")))
}

/// `tidegate sign keygen`
pub(crate) fn keygen(args: Args) -> Result<ExitCode> {
    let algorithm: Algorithm = args.get("algorithm").unwrap_or("hmac-sha256").parse()?;
    let bytes = Key::generate(algorithm)?;
    let mut text = format!("secret: {}\n", URL_SAFE_NO_PAD.encode(bytes));
    let key = Key::new("new", algorithm, &bytes)?;
    if let Some(public) = key.ed25519_public() {
        text.push_str(&format!("public: {}\n", URL_SAFE_NO_PAD.encode(public)));
    }
    Ok(say(&text))
}

fn keyset(args: &Args) -> Result<Keyset> {
    let secret = std::env::var("TIDEGATE_SECRET").ok().or(args.get("secret").map(str::to_owned));
    let secret = secret.context("--secret BASE64URL or TIDEGATE_SECRET")?;
    let algorithm = args.get("algorithm").unwrap_or("hmac-sha256").parse()?;
    let key = Key::from_text(args.get("key").unwrap_or("demo"), algorithm, secret.trim())?;
    let options = KeysetOptions { name: "cli".to_owned(), keys: vec![key], ..Default::default() };
    Ok(Keyset::new(options)?)
}

fn claims(args: &Args, url: &str, now_s: u64) -> Result<Claims> {
    let lasts = parse_duration(args.get("expires").unwrap_or("10m"))
        .context("--expires: write 30s, 10m or 12h")?;
    let mut claims = Claims::new(scope(args, url), now_s + lasts.as_secs());
    if let Some(wait) = args.get("not-before") {
        let wait = parse_duration(wait).context("--not-before: write 30s, 10m or 12h")?;
        claims.not_before_s = Some(now_s + wait.as_secs());
    }
    claims.client = args.get("client").map(str::parse).transpose().context("--client")?;
    claims.host = args.get("host").map(str::to_owned);
    claims.methods = args.all("method").into_iter().map(str::to_owned).collect();
    claims.countries = args.all("country").into_iter().map(str::to_owned).collect();
    claims.session = args.get("session").map(str::to_owned);
    claims.uses_max = args.get("uses").map(str::parse).transpose().context("--uses")?;
    Ok(claims)
}

fn scope(args: &Args, url: &str) -> Scope {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = path[path.find('/').unwrap_or(path.len())..].split(['?', '#']).next();
    let path = path.filter(|path| !path.is_empty()).unwrap_or("/");
    match args.get("glob") {
        Some(pattern) => Scope::Glob(pattern.to_owned()),
        None if args.flag("prefix") => {
            Scope::Prefix(path[..=path.rfind('/').unwrap_or(0)].to_owned())
        }
        None => Scope::Path(path.to_owned()),
    }
}
