//! `tidegate up`: the whole of Tidegate on one machine, as supervised child processes.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tidegate_control_client::{Apply, Client};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    admin::fetch,
    cli::Args,
    programs::{PATIENCE, read_token, runtime},
    supervise::{Program, supervise},
};

/// How often `up` looks whether a program answers yet.
const POLL_MS: u64 = 50;

struct Places {
    data: PathBuf,
    spec: PathBuf,
    listen: SocketAddr,
    admin: SocketAddr,
    control: SocketAddr,
    services: SocketAddr,
    threads: Option<String>,
}

/// Starts everything, says where it is, and keeps it running until Ctrl-C.
pub(crate) fn up(args: Args) -> Result<ExitCode> {
    let places = Places::of(&args)?;
    runtime()?.block_on(run(places))
}

async fn run(places: Places) -> Result<ExitCode> {
    let (stop, stopped) = watch::channel(false);
    let mut children = JoinSet::new();
    eprintln!("starting Tidegate, everything in {}", places.data.display());
    children.spawn(supervise(places.control_plane(), stopped.clone()));
    let started = async {
        let url = format!("http://{}", places.control);
        reachable(&format!("{url}/healthz"), "the control plane").await?;
        let token = read_token(&places.token("root"))?;
        let client = Client::new(&url, &token)?;
        configure(&places, &client).await?;
        children.spawn(supervise(places.origin(), stopped.clone()));
        children.spawn(supervise(places.edge(), stopped.clone()));
        reachable(&format!("http://{}/healthz", places.services), "the origin services").await?;
        reachable(&format!("http://{}/ready", places.admin), "the edge").await
    };
    let outcome = tokio::select! {
        outcome = started => outcome,
        _ = interrupted() => Ok(()),
    };
    match &outcome {
        Ok(()) => {
            places.announce();
            interrupted().await?;
            eprintln!("stopping");
        }
        Err(error) => eprintln!("tidegate: {error:#}; logs in {}", places.logs().display()),
    }
    let _ = stop.send(true);
    while children.join_next().await.is_some() {}
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Applies the demo's spec at the very first start; later starts find their own history.
async fn configure(places: &Places, client: &Client) -> Result<()> {
    if client.spec_get().await?.is_some() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&places.spec).with_context(|| {
        format!("{}: run from a checkout, or give --conf DIR", places.spec.display())
    })?;
    let text = places.adapt(&text);
    let folder = places.spec.parent().unwrap_or(Path::new("."));
    let apply = Apply { message: "the demo".to_owned(), ..Apply::default() };
    client
        .spec_apply(&text, folder, &apply)
        .await
        .with_context(|| places.spec.display().to_string())?;
    Ok(())
}

async fn reachable(url: &str, what: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let last = match fetch(url).await {
            Ok((200, _)) => return Ok(()),
            Ok((status, body)) => format!("{status} {}", String::from_utf8_lossy(&body).trim()),
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            bail!("{what} did not answer at {url} ({last})");
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
}

async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = term.recv() => {}
    }
    Ok(())
}

// === impl Places ===

impl Places {
    fn of(args: &Args) -> Result<Self> {
        let address = |name| -> Result<SocketAddr> {
            args.read(name)?.with_context(|| format!("--{name} ADDRESS:PORT"))
        };
        let places = Self {
            data: args.get("data").unwrap_or("data").into(),
            spec: Path::new(args.get("conf").unwrap_or("conf/demo")).join("spec.yaml"),
            listen: address("listen")?,
            admin: address("admin")?,
            control: address("control")?,
            services: address("services")?,
            threads: args.get("threads").map(str::to_owned),
        };
        places.check_free()?;
        Ok(places)
    }

    /// A taken port is told at once and by name, not by a child that keeps dying.
    fn check_free(&self) -> Result<()> {
        let all = [
            ("listen", self.listen),
            ("admin", self.admin),
            ("control", self.control),
            ("services", self.services),
        ];
        for (option, address) in all {
            TcpListener::bind(address).with_context(|| {
                format!("{address} cannot be used; choose another with --{option} ADDRESS:PORT")
            })?;
        }
        Ok(())
    }

    /// The demo's spec names the default addresses; others are put in their place.
    fn adapt(&self, text: &str) -> String {
        text.replace("127.0.0.1:9080", &self.services.to_string())
            .replace("127.0.0.1:8080", &self.listen.to_string())
            .replace("127.0.0.1:8081", &self.admin.to_string())
    }

    fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    fn token(&self, role: &str) -> PathBuf {
        self.data.join("control-plane").join(format!("{role}.token"))
    }

    fn program(&self, name: &'static str, arguments: &[(&str, String)]) -> Program {
        let mut words = vec![name.to_owned(), "--supervised".to_owned()];
        for (option, value) in arguments {
            words.push(format!("--{option}"));
            words.push(value.clone());
        }
        Program { name, arguments: words, log: self.logs().join(format!("{name}.log")) }
    }

    fn folder(&self, name: &str) -> String {
        self.data.join(name).display().to_string()
    }

    fn control_plane(&self) -> Program {
        let arguments =
            [("listen", self.control.to_string()), ("data", self.folder("control-plane"))];
        self.program("control-plane", &arguments)
    }

    fn origin(&self) -> Program {
        let arguments = [
            ("listen", self.services.to_string()),
            ("data", self.folder("origin")),
            ("public", format!("http://{}", self.listen)),
            ("control-plane", format!("http://{}", self.control)),
            ("token-file", self.token("service").display().to_string()),
        ];
        self.program("origin", &arguments)
    }

    fn edge(&self) -> Program {
        let mut arguments = vec![
            ("listen", self.listen.to_string()),
            ("admin", self.admin.to_string()),
            ("data", self.folder("edge")),
            ("access-log", self.logs().join("access.jsonl").display().to_string()),
            ("control-plane", format!("http://{}", self.control)),
            ("token-file", self.token("node").display().to_string()),
        ];
        arguments.extend(self.threads.clone().map(|threads| ("threads", threads)));
        self.program("edge", &arguments)
    }

    fn announce(&self) {
        let Self { listen, admin, control, services, .. } = self;
        eprintln!("\n  demo page       http://{listen}/");
        eprintln!("  edge            http://{listen}   metrics http://{admin}/metrics");
        eprintln!("  control plane   http://{control}   token in {}", self.token("root").display());
        eprintln!("  origin services http://{services}   API at /openapi.json");
        eprintln!("  logs            {}", self.logs().display());
        if let Some(advice) = tidegate_origin_service::ffmpeg_status().advice() {
            eprintln!("\n  {advice}");
        }
        eprintln!("\nCtrl-C stops everything.");
    }
}
