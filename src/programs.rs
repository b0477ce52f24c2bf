//! The three programs as processes: an edge, a control plane, origin services.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use tidegate_control_server::{PluginCheck, Server, ServerConfig};
use tidegate_edge::{Edge, EdgeConfig, Source};
use tidegate_origin_service::{Origin, OriginConfig};
use tidegate_spec::{Listener, NodeConfig, Spec, units::parse_size};
use tidegate_telemetry::{AccessSettings, AccessTarget};
use tokio::{runtime::Runtime, signal::unix};

use crate::cli::Args;

/// `tidegate edge`
pub(crate) fn edge(args: Args) -> Result<ExitCode> {
    log();
    let config = edge_config(&args)?;
    let handle = Edge::start(config)?;
    for (bound, tls) in handle.bound() {
        eprintln!("edge listens on {}://{bound}", if tls { "https" } else { "http" });
    }
    if let Some(admin) = handle.admin() {
        eprintln!("admin pages on http://{admin}");
    }
    let rotated = async {
        let mut hangup = unix::signal(unix::SignalKind::hangup())?;
        while hangup.recv().await.is_some() {
            handle.reopen_access_log();
        }
        std::future::pending().await
    };
    notify("READY=1");
    let runtime = runtime()?;
    runtime.block_on(async {
        tokio::select! {
            stopped = until_stopped(&args) => stopped,
            () = handle.taken_over() => Ok(()),
            failed = start_successors(&args) => failed,
            failed = rotated => failed,
        }
    })?;
    // A second signal, or the first one after an upgrade, shortens the wait.
    let hurry = handle.hurry();
    runtime.spawn(async move {
        let _ = until_stopped(&args).await;
        hurry.up();
    });
    handle.shutdown();
    Ok(ExitCode::SUCCESS)
}

/// Starts this program anew at each SIGUSR2: the new process takes over when it is ready, and if it
/// never is, this one goes on.
async fn start_successors(args: &Args) -> Result<()> {
    let mut asked = unix::signal(unix::SignalKind::user_defined2())?;
    while asked.recv().await.is_some() {
        if args.flag("supervised") {
            tracing::warn!("a supervised process cannot be followed by another");
            continue;
        }
        let mut words: Vec<_> = std::env::args_os().skip(1).collect();
        if !words.iter().any(|word| word == "--upgrade") {
            words.push("--upgrade".into());
        }
        let program = program()?;
        match tokio::process::Command::new(&program).args(words).spawn() {
            Ok(mut child) => drop(tokio::spawn(async move {
                let ended = child.wait().await;
                tracing::info!(?ended, "the process that was to take over has ended");
            })),
            Err(error) => {
                tracing::error!(program = %program.display(), %error, "cannot start the next process");
            }
        }
    }
    Ok(())
}

/// The file that this process was started from, or what has been put in its place since.
fn program() -> Result<PathBuf> {
    let path = std::env::current_exe()?;
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

/// Tells systemd, where it listens, how this process is doing and that it is the main one.
fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = || -> std::io::Result<()> {
        use std::os::{
            linux::net::SocketAddrExt,
            unix::{
                ffi::OsStrExt,
                net::{SocketAddr, UnixDatagram},
            },
        };
        let address = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&path)?,
        };
        let message = format!("{state}\nMAINPID={}\n", std::process::id());
        UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
    };
    if let Err(error) = told() {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// `tidegate control-plane`
pub(crate) fn control_plane(args: Args) -> Result<ExitCode> {
    log();
    runtime()?.block_on(async {
        let listen = args.read::<SocketAddr>("listen")?.context("--listen ADDRESS")?;
        let mut config = ServerConfig::new(listen, folder(&args));
        config.db = args.get("db").map(str::to_owned);
        config.token_file = args.get("token-file").map(PathBuf::from);
        config.seal_file = args.get("seal-file").map(PathBuf::from);
        config.advertise = args.get("advertise").map(str::to_owned);
        config.plugin_check = Some(PluginCheck(Arc::new(crate::plugin::check)));
        let handle = Server::start(config).await?;
        eprintln!("control plane listens on http://{}", handle.local_addr);
        until_stopped(&args).await?;
        handle.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// `tidegate origin`
pub(crate) fn origin(args: Args) -> Result<ExitCode> {
    log();
    runtime()?.block_on(async {
        let listen = args.read::<SocketAddr>("listen")?.context("--listen ADDRESS")?;
        let mut config = OriginConfig::new(listen, folder(&args));
        if let Some(base) = args.get("public") {
            config.public_base = base.to_owned();
        }
        config.db = args.get("db").map(str::to_owned);
        config.only = args.get("only").map(|names| names.split(',').map(str::to_owned).collect());
        config.control_plane = match args.get("control-plane") {
            None => None,
            Some(url) => Some((url.to_owned(), token(&args)?)),
        };
        let handle = Origin::start(config).await?;
        eprintln!("origin services listen on http://{}", handle.local_addr);
        until_stopped(&args).await?;
        handle.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// The node file first, then whatever the command line says otherwise.
fn edge_config(args: &Args) -> Result<EdgeConfig> {
    let file = match args.get("config") {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
            Some(NodeConfig::parse(&text).with_context(|| path.to_owned())?)
        }
    };
    let node = file.clone().unwrap_or_default();
    let data = args.given("data").map_or(node.data, PathBuf::from);
    let mut config = EdgeConfig::new(source(args, file.as_ref())?, data);
    config.name =
        args.get("node").map(str::to_owned).or(node.name).unwrap_or_else(|| "edge".to_owned());
    config.labels = node.labels;
    config.listen = match args.given("listen") {
        Some(_) => args.all("listen").iter().map(|address| listener(address)).collect(),
        None => node.listeners,
    };
    let admin = args.given("admin").unwrap_or(&node.admin);
    config.admin =
        if matches!(admin, "" | "off") { None } else { Some(address("--admin", admin)?) };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    config.threads = args.read("threads")?.or(node.threads).unwrap_or(cores);
    config.cache_memory_bytes = match args.get("cache-memory") {
        Some(size) => {
            parse_size(size).with_context(|| format!("--cache-memory {size}: write 512MiB"))?.0
        }
        None => node.cache.memory,
    };
    config.cache_disk_bytes = match args.get("cache-disk") {
        Some(size) => {
            parse_size(size).with_context(|| format!("--cache-disk {size}: write 10GiB"))?.0
        }
        None if file.is_some() => node.cache.disk,
        None => 0,
    };
    config.links_bytes = node.cache.links;
    config.limit_keys = node.limit_keys;
    config.countries = node.countries;
    config.systems = node.systems;
    config.drain = node.drain;
    config.upgrade_drain = node.upgrade_drain;
    config.upgrade = args.flag("upgrade");
    config.limits = node.limits;
    config.trusted_proxies = node.trusted_proxies;
    config.forwarded_by = node.forwarded_by;
    let log = &node.access_log;
    config.access_log = access_log(args.get("access-log").unwrap_or(&log.path), log.sample_percent);
    Ok(config)
}

fn source(args: &Args, file: Option<&NodeConfig>) -> Result<Source> {
    let from_file = |get: fn(&NodeConfig) -> Option<Source>| file.and_then(get);
    match (args.get("origin"), args.get("spec"), args.get("control-plane")) {
        (Some(origin), None, None) => Ok(Source::Spec(Box::new(Spec::proxy_to(origin)))),
        (None, Some(spec), None) => Ok(Source::File(spec.into())),
        (None, None, Some(url)) => {
            Ok(Source::ControlPlane { url: url.to_owned(), token: token(args)? })
        }
        (None, None, None) => {
            let spec = from_file(|node| node.spec.clone().map(Source::File));
            if let Some(spec) = spec {
                return Ok(spec);
            }
            match file.and_then(|node| node.control_plane.as_ref()) {
                Some(plane) => Ok(Source::ControlPlane {
                    url: plane.url.clone(),
                    token: match (&plane.token, &plane.token_file) {
                        (Some(token), _) => token.clone(),
                        (None, Some(path)) => read_token(path)?,
                        (None, None) => bail!("control_plane needs token or token_file"),
                    },
                }),
                None => bail!(
                    "an edge needs something to do: --origin URL, --spec FILE, --control-plane URL, or --config FILE"
                ),
            }
        }
        _ => bail!("give one of --origin, --spec and --control-plane"),
    }
}

fn access_log(target: &str, sample_percent: u8) -> Option<AccessSettings> {
    let target = match target {
        "" | "off" => return None,
        "-" => AccessTarget::Stdout,
        path => AccessTarget::File(path.into()),
    };
    // 0 leaves out all but what is always written.
    let sample_one_in = 100_u32.checked_div(sample_percent.into()).unwrap_or(u32::MAX);
    Some(AccessSettings { target, sample_one_in, ..AccessSettings::default() })
}

/// `ADDRESS:PORT` or `unix:/path`, behind `tls:` with TLS.
fn listener(text: &str) -> Listener {
    match text.strip_prefix("tls:") {
        Some(address) => Listener { tls: true, ..Listener::plain(address) },
        None => Listener::plain(text),
    }
}

fn address(name: &str, text: &str) -> Result<SocketAddr> {
    text.parse()
        .with_context(|| format!("{name} {text}: write ADDRESS:PORT, such as 127.0.0.1:8080"))
}

fn folder(args: &Args) -> PathBuf {
    args.get("data").unwrap_or("data").into()
}

/// The token that a program presents to the control plane.
fn token(args: &Args) -> Result<String> {
    match args.get("token-file") {
        Some(path) => read_token(path.as_ref()),
        None => std::env::var("TIDEGATE_TOKEN")
            .context("the control plane wants a token: --token-file FILE or TIDEGATE_TOKEN"),
    }
}

pub(crate) fn read_token(path: &std::path::Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.trim().to_owned())
}

/// Waits for SIGTERM, SIGINT, or, under a supervisor, for the end of standard input.
async fn until_stopped(args: &Args) -> Result<()> {
    let mut term = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let supervised = args.flag("supervised");
    let (ended, parent) = tokio::sync::oneshot::channel::<()>();
    if supervised {
        // A thread of its own: a runtime would wait for the read when it is dropped.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = ended.send(());
        });
    }
    tokio::select! {
        _ = term.recv() => {}
        // Ctrl-C goes to the whole group; a supervised child waits for its parent's word.
        _ = interrupt.recv(), if !supervised => {}
        _ = parent, if supervised => {}
    }
    Ok(())
}

pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Log lines on standard error: `TIDEGATE_LOG=debug` says more. Pingora's own account of a failed
/// exchange repeats what the access log says.
fn log() {
    use tracing_subscriber::{EnvFilter, fmt, prelude::*};
    let filter = EnvFilter::try_from_env("TIDEGATE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,pingora_core=error,pingora_proxy=off"));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(false);
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

/// How long `up` and the admin verbs wait for something to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
