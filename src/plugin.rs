//! The verbs of plugin authors: from a first folder to a module in the registry.

mod build;
mod sdk;

use std::{
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{rand::SystemRandom, signature::Ed25519KeyPair, signature::KeyPair};
use serde_json::json;
use tidegate_control_client::api::PluginNew;
use tidegate_list::List;
use tidegate_spec::ListSource;
use tidegate_wasm::workbench::{self, Conformance, Report, Version};

use crate::{
    admin::{call, print_json, problem_lines, send_with, table, when},
    cli::Args,
    programs::runtime,
    say,
};

/// `tidegate plugin new`
pub(crate) fn new(args: Args) -> Result<ExitCode> {
    let name = &args.positional[0];
    let folder = args.positional.get(1).map_or_else(|| PathBuf::from(name), PathBuf::from);
    let crate_name = Path::new(name).file_name().map(|name| name.to_string_lossy().into_owned());
    let crate_name = crate_name.context("NAME is empty")?;
    if folder.exists() && folder.read_dir()?.next().is_some() {
        bail!("{} is there already and not empty", folder.display());
    }
    let files = match args.get("sdk") {
        Some(sdk) => {
            let dependency = format!("{{ path = {} }}", json!(sdk));
            workbench::template(&crate_name, &dependency).map_err(anyhow::Error::msg)?
        }
        None => sdk::with_template(&crate_name)?,
    };
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(say(&format!(
        "made {0}\n\n  cd {0}\n  cargo test              # the rule as a plain function\n  \
         tidegate plugin build   # the module\n  tidegate plugin test    # the module in the host\n",
        folder.display()
    )))
}

/// `tidegate plugin build`
pub(crate) fn build(args: Args) -> Result<ExitCode> {
    let folder = PathBuf::from(args.positional.first().map_or(".", String::as_str));
    let module = build::build(&folder)?;
    let bytes = fs::metadata(&module)?.len();
    Ok(say(&format!("{} ({bytes} bytes)\n", module.display())))
}

/// `tidegate plugin test`
pub(crate) fn test(args: Args) -> Result<ExitCode> {
    let module = module(&args, 0)?;
    let cases = match args.positional.get(1) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from("cases.toml"),
    };
    let text = fs::read_to_string(&cases).with_context(|| cases.display().to_string())?;
    let report = workbench::run_cases(&module, &text)?;
    say(&case_lines(&report, args.flag("logs")));
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn case_lines(report: &Report, logs: bool) -> String {
    let mut out = String::new();
    for case in &report.cases {
        let word = if case.problems.is_empty() { "ok  " } else { "FAIL" };
        out += &format!("{word} {} (at most {} instructions a request)\n", case.name, case.fuel);
        for problem in &case.problems {
            out += &format!("     {problem}\n");
        }
        for line in case.logs.iter().filter(|_| logs || !case.problems.is_empty()) {
            out += &format!("     log: {line}\n");
        }
    }
    let failed = report.cases.iter().filter(|case| !case.problems.is_empty()).count();
    out + &format!("{} cases, {failed} failed\n", report.cases.len())
}

/// `tidegate plugin bench`
pub(crate) fn bench(args: Args) -> Result<ExitCode> {
    let report = workbench::bench(&module(&args, 0)?, &configuration(&args, "config")?)?;
    Ok(say(&format!(
        "a request that it lets pass: {} ns, {} instructions\n\
         memory of one instance:      {} KiB\n\
         compiling the module:        {} ms\n",
        report.ns,
        report.fuel,
        report.memory_bytes / 1024,
        report.compile_ns / 1_000_000
    )))
}

/// `tidegate plugin inspect`
pub(crate) fn inspect(args: Args) -> Result<ExitCode> {
    let seen = workbench::inspect(&module(&args, 0)?)?;
    let loads = seen.missing.is_empty() && !seen.abi.is_empty();
    let code = if loads { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.flag("json") {
        print_json(&json!({
            "sha256": seen.sha256, "bytes": seen.bytes, "abi": seen.abi, "imports": seen.imports,
            "missing": seen.missing, "callbacks": seen.callbacks,
            "memory_bytes": seen.memory_bytes, "memory_bytes_max": seen.memory_bytes_max,
        }))?;
        return Ok(code);
    }
    let most = seen.memory_bytes_max.map_or("no limit of its own".to_owned(), |bytes| {
        format!("at most {} KiB by its own word", bytes / 1024)
    });
    let none = |list: &[String]| match list.is_empty() {
        true => "none".to_owned(),
        false => list.join(" "),
    };
    say(&format!(
        "sha256     {}\nbytes      {}\nabi        {}\nmemory     {} KiB at the start, {most}\n\
         callbacks  {}\nimports    {}\nmissing    {}\n",
        seen.sha256,
        seen.bytes,
        none(&seen.abi),
        seen.memory_bytes / 1024,
        none(&seen.callbacks),
        none(&seen.imports),
        none(&seen.missing),
    ));
    Ok(code)
}

/// `tidegate plugin replay`
pub(crate) fn replay(args: Args) -> Result<ExitCode> {
    let log = &args.positional[0];
    let file = fs::File::open(log).with_context(|| log.clone())?;
    let read = |name: &str| {
        let path = args.get(name).with_context(|| format!("--{name} MODULE is missing"))?;
        fs::read(path).with_context(|| path.to_owned())
    };
    let (old, new) = (read("old")?, read("new")?);
    let old_config = configuration(&args, "old-config")?;
    let new_config = match args.get("new-config") {
        Some(_) => configuration(&args, "new-config")?,
        None => old_config.clone(),
    };
    let report = workbench::replay(
        Version { module: &old, configuration: &old_config },
        Version { module: &new, configuration: &new_config },
        &lists(&args)?,
        BufReader::new(file),
    )?;
    let shown = args.read::<usize>("show")?.unwrap_or(20);
    let mut out = String::new();
    for difference in report.differences.iter().take(shown) {
        let workbench::Difference { line, request, old, new } = difference;
        out += &format!("line {line}: {request}\n  old: {old}\n  new: {new}\n");
    }
    out += &format!(
        "{} requests, {} decided differently; answered by the plugin: old {}, new {}; \
         failures: old {}, new {}\n",
        report.requests,
        report.different,
        report.answered[0],
        report.answered[1],
        report.failures[0],
        report.failures[1]
    );
    if report.unreadable > 0 {
        out += &format!("{} lines are no requests\n", report.unreadable);
    }
    say(&out);
    let sound = report.different == 0 && report.failures[1] <= report.failures[0];
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The lists of the specification that `--spec` names, with those in files beside it.
fn lists(args: &Args) -> Result<Vec<(Arc<str>, Arc<List>)>> {
    let Some(path) = args.get("spec").map(Path::new) else { return Ok(Vec::new()) };
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lists = tidegate_spec::read(&text).map(|spec| spec.lists);
    let spec = tidegate_spec::Spec { lists: refused(path, lists)?, ..Default::default() };
    let mut material = tidegate_snapshot::Material::default();
    for list in &spec.lists {
        if let Some(ListSource::File(file)) = &list.source {
            let path = path.with_file_name(file);
            let content = fs::read(&path).with_context(|| path.display().to_string())?;
            material.insert_list(file, content);
        }
    }
    let compiled = tidegate_snapshot::compile_with(&spec, 0, &material);
    refused(path, compiled.map(|snapshot| snapshot.lists))
}

fn refused<T>(path: &Path, read: Result<T, Vec<tidegate_spec::Problem>>) -> Result<T> {
    read.map_err(|problems| anyhow::anyhow!("{}\n{}", path.display(), problem_lines(&problems)))
}

/// `tidegate plugin conformance`
pub(crate) fn conformance(args: Args) -> Result<ExitCode> {
    if let Some(path) = args.get("write-module") {
        fs::write(path, workbench::abi_module()).with_context(|| path.to_owned())?;
        return Ok(say(&format!("{path}\n")));
    }
    let config = configuration(&args, "config")?;
    let mut sound = true;
    if let Some(url) = args.get("url") {
        return ask_host(url);
    }
    if args.positional.is_empty() {
        let report = workbench::abi_suite()?;
        sound = report.passed();
        say(&case_lines(&report, false));
    }
    for path in &args.positional {
        let bytes = fs::read(path).with_context(|| path.clone())?;
        let found = workbench::conform(&bytes, &config)?;
        sound &= found.is_sound();
        say(&conformance_lines(path, &found));
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts the questions of the suite to a host that runs the suite's module.
fn ask_host(url: &str) -> Result<ExitCode> {
    let questions = workbench::abi_questions()?;
    let (mut out, mut different) = (String::new(), 0);
    let runtime = runtime()?;
    for question in questions.iter().filter(|question| !question.answer.is_empty()) {
        let target = format!("{}{}", url.trim_end_matches('/'), question.target);
        let body = question.body.clone().unwrap_or_default();
        let asked = runtime.block_on(send_with(&question.method, &target, &question.headers, body));
        let said = match asked {
            Ok((_, body)) => String::from_utf8_lossy(&body).into_owned(),
            Err(error) => format!("no answer: {error}"),
        };
        // The host's own address stands in an answer; what matters is what surrounds it.
        let same = said.contains(&question.answer);
        different += usize::from(!same);
        out += &format!("{} {}\n", if same { "same " } else { "other" }, question.name);
        if !same {
            out += &format!("      Tidegate: {}\n", question.answer.trim_end());
            out += &format!("      this one: {}\n", said.trim_end());
        }
    }
    say(&format!("{out}{} questions, {different} answered otherwise\n", questions.len()));
    Ok(if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn conformance_lines(path: &str, found: &Conformance) -> String {
    if let Some(why) = &found.refused {
        return format!("{path}: refused: {why}\n");
    }
    let failed: Vec<_> = found.situations.iter().filter(|one| one.problem.is_some()).collect();
    let mut out = format!(
        "{path}: {} of {} situations\n",
        found.situations.len() - failed.len(),
        found.situations.len()
    );
    for situation in failed {
        let problem = situation.problem.as_deref().unwrap_or_default();
        out += &format!("  {}: {}\n", situation.name, problem.lines().next().unwrap_or_default());
    }
    out
}

/// `tidegate plugin sign`
pub(crate) fn sign(args: Args) -> Result<ExitCode> {
    let bytes = module(&args, 0)?;
    let key = signing_key(args.get("key").context("--key FILE")?.as_ref())?;
    let signature = STANDARD.encode(key.sign(&bytes));
    let public_key = STANDARD.encode(key.public_key());
    Ok(say(&format!("public_key: \"{public_key}\"\nsignature: \"{signature}\"\n")))
}

/// The key in a file (PKCS #8); made when there is none.
fn signing_key(path: &Path) -> Result<Ed25519KeyPair> {
    if !path.exists() {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| anyhow::anyhow!("no random numbers for a key"))?;
        write_secret(path, document.as_ref()).with_context(|| path.display().to_string())?;
        eprintln!("made a key: {}", path.display());
    }
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    Ed25519KeyPair::from_pkcs8(&bytes)
        .map_err(|error| anyhow::anyhow!("{}: no Ed25519 key (PKCS #8): {error}", path.display()))
}

fn write_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

/// `tidegate plugin push`
pub(crate) fn push(args: Args) -> Result<ExitCode> {
    let bytes = module(&args, 0)?;
    let (name, version) = match args.get("name") {
        Some(name) => (name.to_owned(), args.get("version").map(str::to_owned)),
        None => {
            let (name, version) = build::package(Path::new("."))
                .context("--name NAME and --version VERSION, or a folder with a Cargo.toml")?;
            (name, args.get("version").map(str::to_owned).or(Some(version)))
        }
    };
    let cases = match args.get("cases") {
        Some(path) => fs::read_to_string(path).with_context(|| path.to_owned())?,
        None => fs::read_to_string("cases.toml").unwrap_or_default(),
    };
    let mut new = PluginNew {
        name,
        version: version.context("--version VERSION")?,
        cases,
        ..PluginNew::default()
    };
    if let Some(key) = args.get("key") {
        let key = signing_key(key.as_ref())?;
        new.signature = Some(STANDARD.encode(key.sign(&bytes)));
        new.public_key = Some(STANDARD.encode(key.public_key()));
    }
    let client = crate::admin::client(&args)?;
    let pushed = match runtime()?.block_on(client.plugin_push(bytes.into(), new)) {
        Ok(pushed) => pushed,
        Err(error) if !error.problems().is_empty() => {
            eprintln!("the module was refused, nothing was changed");
            eprint!("{}", problem_lines(error.problems()));
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    };
    if args.flag("json") {
        return print_json(&pushed);
    }
    let key = pushed.public_key.map_or(String::new(), |key| format!("    public_key: \"{key}\"\n"));
    Ok(say(&format!(
        "{0}@{1} is in the registry, {2} cases passed; name it in a spec:\n\nplugins:\n  - name: {0}\n    \
         module: {{ registry: {0}@{1} }}\n{key}",
        pushed.name, pushed.version, pushed.cases
    )))
}

/// `tidegate plugin list`
pub(crate) fn list(args: Args) -> Result<ExitCode> {
    let found = call(&args, |client| async move { client.plugins().await })?;
    if args.flag("json") {
        return print_json(&found);
    }
    let rows = found.plugins.iter().map(|one| {
        vec![
            one.name.clone(),
            one.version.clone(),
            one.sha256.chars().take(12).collect(),
            one.bytes.to_string(),
            one.cases.to_string(),
            if one.signature.is_some() { "yes" } else { "no" }.to_owned(),
            one.author.clone(),
            when(one.at),
        ]
    });
    let head = ["name", "version", "sha256", "bytes", "cases", "signed", "author", "when"];
    Ok(say(&table(&head, rows.collect())))
}

/// What the control plane asks of a module before it enters the registry.
pub(crate) fn check(module: &[u8], new: &PluginNew) -> Result<u64, Vec<String>> {
    let failed = |error: workbench::WorkbenchError| vec![error.to_string()];
    let seen = workbench::inspect(module).map_err(failed)?;
    let mut problems = Vec::new();
    if seen.abi.is_empty() {
        problems.push("it exports no version of proxy-wasm (proxy_abi_version_...)".to_owned());
    }
    problems.extend(seen.missing.iter().map(|name| format!("it imports {name}: not offered")));
    problems.extend(signature_problem(module, new));
    if !problems.is_empty() {
        return Err(problems);
    }
    if new.cases.trim().is_empty() {
        return Ok(0);
    }
    let report = workbench::run_cases(module, &new.cases).map_err(failed)?;
    for case in &report.cases {
        problems.extend(case.problems.iter().map(|text| format!("case {:?}: {text}", case.name)));
    }
    if problems.is_empty() { Ok(report.cases.len() as u64) } else { Err(problems) }
}

fn signature_problem(module: &[u8], new: &PluginNew) -> Option<String> {
    let (signature, key) = match (&new.signature, &new.public_key) {
        (None, None) => return None,
        (Some(signature), Some(key)) => (STANDARD.decode(signature), STANDARD.decode(key)),
        _ => return Some("signature and public_key belong together".to_owned()),
    };
    let (Ok(signature), Ok(public_key)) = (signature, key) else {
        return Some("signature and public_key are base64".to_owned());
    };
    let covers = tidegate_wasm::Signature { public_key, signature }.covers(module);
    (!covers).then(|| "the signature is not the key's over this module".to_owned())
}

/// The module that a verb is about: its argument, or the one that was built in this folder.
fn module(args: &Args, position: usize) -> Result<Vec<u8>> {
    let path = match args.positional.get(position) {
        Some(path) => PathBuf::from(path),
        None => build::built(Path::new("."))?,
    };
    fs::read(&path).with_context(|| path.display().to_string())
}

/// A configuration given as text, or as `@file`.
fn configuration(args: &Args, name: &str) -> Result<Vec<u8>> {
    match args.get(name) {
        None => Ok(Vec::new()),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => fs::read(path).with_context(|| path.to_owned()),
            None => Ok(text.as_bytes().to_vec()),
        },
    }
}
