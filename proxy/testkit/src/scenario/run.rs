//! Runs scenarios.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::script::{
    Act, ClientAct, Compare, Draft, Expect, OriginAct, Part, Script, Source, Step,
};
use super::text::Names;
use super::{Edge, Failure, expect, parse};
use crate::message::{Broken, Message};
use crate::{Client, Origin, Received, VirtualClock, WAIT_MAX};

/// Runs every scenario (`*.txt`) of a folder, or those whose name begins with the value of the
/// environment variable `SCENARIO`, each against a node of its own.
///
/// # Panics
/// A scenario failed; the message holds every failure.
pub fn run_dir<E: Edge>(dir: &Path) {
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let mut files = scenario_files(dir, &only);
    files.sort();
    assert!(!files.is_empty(), "no scenario in {} begins with {only:?}", dir.display());
    let failures: Vec<String> = files.iter().filter_map(|file| run_alone::<E>(file)).collect();
    assert!(
        failures.is_empty(),
        "{} of {} scenarios failed:\n{}",
        failures.len(),
        files.len(),
        failures.join("\n")
    );
}

/// Runs one scenario in the current runtime.
///
/// # Errors
/// The line that could not be read or whose expectation was not met.
pub async fn run_file<E: Edge>(file: &Path) -> Result<(), Failure> {
    let fail = |line, message: String| Failure { file: file.to_owned(), line, message };
    let source = std::fs::read_to_string(file).map_err(|e| fail(0, e.to_string()))?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let script = parse::script(&name, &source).map_err(|(line, why)| fail(line, why))?;
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    let mut stage = Stage::<E>::set(&script, folder).await;
    let mut result = Ok(());
    for step in &script.steps {
        if let Err(message) = stage.step(step).await {
            result = Err(fail(step.line, message));
            break;
        }
    }
    if let Some(edge) = stage.edge.take() {
        edge.stop().await;
    }
    result
}

fn scenario_files(dir: &Path, only: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the folder of scenarios can be read");
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".txt") && name.starts_with(only)
    };
    paths.filter(wanted).collect()
}

/// Runs one scenario in a runtime of its own, so that nothing of it outlives it.
fn run_alone<E: Edge>(file: &Path) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    let result = runtime.block_on(run_file::<E>(file));
    result.err().map(|failure| failure.to_string())
}

/// Everything a running scenario touches.
struct Stage<E> {
    edge: Option<E>,
    /// Keys of the node file that it starts with.
    node_file: String,
    clock: VirtualClock,
    folder: PathBuf,
    clients: HashMap<String, Client>,
    origins: HashMap<String, Origin>,
    addrs: Vec<(String, SocketAddr)>,
    /// Requests taken and not forgotten, by origin and label.
    taken: HashMap<(String, String), Received>,
}

impl<E: Edge> Stage<E> {
    async fn set(script: &Script, folder: PathBuf) -> Self {
        let mut origins = HashMap::new();
        let mut addrs = Vec::new();
        for name in &script.origins {
            let origin = Origin::start().await;
            addrs.push((name.clone(), origin.addr()));
            origins.insert(name.clone(), origin);
        }
        Self {
            edge: None,
            node_file: String::new(),
            clock: VirtualClock::new(),
            folder,
            clients: HashMap::new(),
            origins,
            addrs,
            taken: HashMap::new(),
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.act {
            Act::Node(text) => {
                self.node_file = self.names().fill(text)?;
                Ok(())
            }
            Act::Spec(source) => self.start(source).await,
            Act::Apply(source) => {
                let spec = self.spec(source)?;
                self.edge()?.apply(&spec).await
            }
            Act::Refuse(source) => {
                let spec = self.spec(source)?;
                match self.edge()?.apply(&spec).await {
                    Ok(()) => Err("expected the node to refuse this spec".to_owned()),
                    Err(_) => Ok(()),
                }
            }
            Act::Advance(by) => {
                self.clock.advance(*by);
                self.edge()?.advanced().await;
                Ok(())
            }
            Act::Metric { name, labels, compare, value } => {
                self.metric(name, labels, *compare, *value).await
            }
            Act::Client(name, act) => self.client_act(name, act).await,
            Act::Origin(name, label, act) => self.origin_act(name, label, act).await,
        }
    }

    async fn start(&mut self, source: &Source) -> Result<(), String> {
        let spec = self.spec(source)?;
        self.edge = Some(E::start(&spec, &self.node_file, &self.clock).await?);
        Ok(())
    }

    fn edge(&mut self) -> Result<&mut E, String> {
        self.edge.as_mut().ok_or_else(|| "the node has no spec yet".to_owned())
    }

    fn spec(&self, source: &Source) -> Result<String, String> {
        let text = match source {
            Source::Text(text) => text.clone(),
            Source::File(name) => {
                let file = self.folder.join("specs").join(format!("{name}.yaml"));
                std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?
            }
        };
        self.names().fill(&text)
    }

    fn names(&self) -> Names<'_> {
        Names { now_us: self.clock.now_us(), origins: &self.addrs }
    }

    /// Waits until the metric has the value: counters are written after the answer is.
    async fn metric(
        &mut self,
        name: &str,
        labels: &[String],
        compare: Compare,
        value: f64,
    ) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let text = self.edge()?.metrics().await;
            let got = sum(&text, name, labels);
            if got.is_some_and(|got| compare.holds(got, value)) {
                return Ok(());
            }
            if begun.elapsed() > WAIT_MAX {
                let got = got.map_or("no such series".to_owned(), |got| got.to_string());
                return Err(format!("expected {name} {} {value}, got {got}", compare.as_str()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn client(&mut self, name: &str) -> Result<&mut Client, String> {
        if !self.clients.contains_key(name) {
            let addr = self.edge()?.addr();
            self.clients.insert(name.to_owned(), Client::connect(addr).await);
        }
        self.clients.get_mut(name).ok_or_else(|| "no such client".to_owned())
    }

    async fn client_act(&mut self, name: &str, act: &ClientAct) -> Result<(), String> {
        match act {
            ClientAct::Send(draft) => {
                let bytes = draft.request(&self.names())?;
                self.client(name).await?.send(bytes).await;
                Ok(())
            }
            ClientAct::SendRaw(bytes) => {
                self.client(name).await?.send(bytes).await;
                Ok(())
            }
            ClientAct::Expect(part, expect) => {
                let client = self.client(name).await?;
                let got = match part {
                    Part::Whole => client.response().await,
                    Part::Head => client.head().await,
                    Part::Body => client.body().await,
                };
                self.compare(expect, &got)
            }
            ClientAct::ExpectRaw(wanted) => {
                let got = self.client(name).await?.raw(wanted.len()).await;
                same_bytes(wanted, got)
            }
            ClientAct::Broken => {
                let got = self.client(name).await?.body().await;
                self.clients.remove(name);
                broken(&got)
            }
            ClientAct::Closed => {
                let client = self.client(name).await?;
                let closed = client.is_closed().await;
                let pending = client.pending();
                self.clients.remove(name);
                let more = || format!("expected the connection to be closed, got {pending:?}");
                closed.then_some(()).ok_or_else(more)
            }
            ClientAct::Close => {
                self.clients.remove(name);
                Ok(())
            }
            ClientAct::End => {
                self.client(name).await?.end().await;
                Ok(())
            }
        }
    }

    async fn origin_act(&mut self, name: &str, label: &str, act: &OriginAct) -> Result<(), String> {
        match act {
            OriginAct::Expect(part, expect) => {
                let got = self.origin_message(name, label, *part).await?;
                self.compare(expect, &got)
            }
            OriginAct::ExpectRaw(wanted) => {
                let got = self.taken(name, label)?.raw(wanted.len()).await;
                same_bytes(wanted, got)
            }
            OriginAct::Send(draft) => {
                let bytes = draft.response(&self.names())?;
                self.taken(name, label)?.send(bytes).await;
                Ok(())
            }
            OriginAct::SendRaw(bytes) => {
                self.taken(name, label)?.send(bytes).await;
                Ok(())
            }
            OriginAct::Always(draft) => {
                let bytes = draft.response(&self.names())?;
                self.origin(name)?.always(bytes);
                Ok(())
            }
            OriginAct::Broken => broken(&self.taken(name, label)?.complete().await),
            OriginAct::Close => {
                self.taken(name, label)?.close().await;
                Ok(())
            }
            OriginAct::Reset => {
                self.taken(name, label)?.reset().await;
                Ok(())
            }
            OriginAct::Down => {
                self.origin(name)?.down().await;
                Ok(())
            }
            OriginAct::Up => {
                self.origin(name)?.up().await;
                Ok(())
            }
            OriginAct::Requests(wanted) => {
                same_count("requests", *wanted, self.origin(name)?.requests())
            }
            OriginAct::Connections(wanted) => {
                same_count("connections", *wanted, self.origin(name)?.connections())
            }
        }
    }

    async fn origin_message(
        &mut self,
        name: &str,
        label: &str,
        part: Part,
    ) -> Result<Result<Message, Broken>, String> {
        if part != Part::Body {
            match self.origin(name)?.request().await {
                Ok(received) => self.taken.insert((name.to_owned(), label.to_owned()), received),
                Err(broken) => return Ok(Err(broken)),
            };
        }
        let received = self.taken(name, label)?;
        Ok(match part {
            Part::Head => Ok(received.head().clone()),
            Part::Whole | Part::Body => received.complete().await,
        })
    }

    fn origin(&mut self, name: &str) -> Result<&mut Origin, String> {
        self.origins.get_mut(name).ok_or_else(|| "no such origin".to_owned())
    }

    fn taken(&mut self, name: &str, label: &str) -> Result<&mut Received, String> {
        let key = (name.to_owned(), label.to_owned());
        self.taken.get_mut(&key).ok_or_else(|| "it has taken no request yet".to_owned())
    }

    fn compare(&self, expect: &Expect, got: &Result<Message, Broken>) -> Result<(), String> {
        match got {
            Err(broken) => Err(format!("expected a message `{}`, but {broken}", expect.line)),
            Ok(got) => expect::message(expect, got, &self.names())
                .map_err(|what| format!("expected {what}\n    in: {got}")),
        }
    }
}

impl Draft {
    /// The request as bytes.
    fn request(&self, names: &Names<'_>) -> Result<Vec<u8>, String> {
        let line = names.fill(&self.line)?;
        let version = if line.split(' ').count() < 3 { " HTTP/1.1" } else { "" };
        let mut head = format!("{line}{version}\r\n");
        if !self.no_host && !self.has("host") {
            head.push_str("Host: example.com\r\n");
        }
        self.finish(head, names, self.content.is_some())
    }

    /// The response as bytes.
    fn response(&self, names: &Names<'_>) -> Result<Vec<u8>, String> {
        let phrase = if self.line.contains(' ') { "" } else { " Answer" };
        let bodiless = self.line.starts_with('1') || matches!(&*self.line, "204" | "304");
        self.finish(format!("HTTP/1.1 {}{phrase}\r\n", self.line), names, !bodiless)
    }

    fn finish(&self, head: String, names: &Names<'_>, counted: bool) -> Result<Vec<u8>, String> {
        let mut head = head;
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {}\r\n", names.fill(value)?));
        }
        let pieces: Vec<Vec<u8>> = self
            .content
            .iter()
            .flatten()
            .map(|piece| names.fill_bytes(piece))
            .collect::<Result<_, _>>()?;
        let chunked = self.has("transfer-encoding");
        if counted && !chunked && !self.no_length && !self.has("content-length") {
            let length: usize = pieces.iter().map(Vec::len).sum();
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        let mut bytes = (head + "\r\n").into_bytes();
        match (chunked, self.content.is_some()) {
            (true, true) => chunks(&pieces, &mut bytes),
            _ => bytes.extend(pieces.concat()),
        }
        Ok(bytes)
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

fn chunks(pieces: &[Vec<u8>], bytes: &mut Vec<u8>) {
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
}

fn broken(got: &Result<Message, Broken>) -> Result<(), String> {
    match got {
        Err(Broken::Early(_)) => Ok(()),
        Err(other) => Err(format!("expected a message that ends too early, but {other}")),
        Ok(message) => Err(format!("expected a message that ends too early, got {message}")),
    }
}

fn same_bytes(wanted: &[u8], got: Result<Vec<u8>, Broken>) -> Result<(), String> {
    let shown = String::from_utf8_lossy(wanted);
    match got {
        Ok(got) if got == wanted => Ok(()),
        Ok(got) => Err(format!("expected {shown:?}, got {:?}", String::from_utf8_lossy(&got))),
        Err(broken) => Err(format!("expected {shown:?}, but {broken}")),
    }
}

fn same_count(what: &str, wanted: usize, got: usize) -> Result<(), String> {
    if wanted == got { Ok(()) } else { Err(format!("expected {wanted} {what}, got {got}")) }
}

/// The sum of all series of the metric that carry the labels; `None` when there is none.
fn sum(text: &str, name: &str, labels: &[String]) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (metric, rest) = series.split_once('{').unwrap_or((series, ""));
        let fits = metric == name && labels.iter().all(|label| rest.contains(label.as_str()));
        fits.then(|| value.parse::<f64>().ok()).flatten()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}
