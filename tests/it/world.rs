//! The program as a process, on ports and in folders of its own, and a client that is not its own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The longest wait for anything; reached only when a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A process that ends with the test.
pub(crate) struct Process(Child);

/// `tidegate up` with everything of its own.
pub(crate) struct World {
    pub(crate) data: TempDir,
    pub(crate) edge: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) control: SocketAddr,
    pub(crate) services: SocketAddr,
    up: Process,
}

/// An answer, as far as tests look at it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// The program under test.
pub(crate) fn tidegate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// A port that was free a moment ago, for programs that must be told theirs.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until `ready` gives something.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One request on a connection of its own; `None` when there is no answer.
pub(crate) fn try_request(
    addr: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut stream = TcpStream::connect(addr).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut request =
        format!("{method} {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in fields {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    Answer::read(&bytes)
}

pub(crate) fn get(addr: SocketAddr, target: &str) -> Answer {
    try_request(addr, "GET", target, &[], "").unwrap_or_else(|| panic!("no answer: {target}"))
}

// === impl Answer ===

impl Answer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut body = bytes[end + 4..].to_vec();
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunk(&body);
        }
        Some(Self { status, head, body })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]).into_owned();
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        if size == 0 || rest.len() < end + 2 + size {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[(end + 2 + size + 2).min(rest.len())..];
    }
    body
}

// === impl Process ===

impl Process {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .expect("the program starts");
        Self(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_running() {
            return;
        }
        // SIGTERM first: `up` must end its children.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.0.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// === impl World ===

impl World {
    /// Starts everything and waits until the edge serves its first configuration.
    pub(crate) fn up() -> Self {
        let data = TempDir::new().unwrap();
        let [edge, admin, control, services] = [(); 4].map(|()| free_address());
        let mut command = tidegate();
        command.arg("up").arg("--data").arg(data.path()).args(["--threads", "2"]);
        for (option, address) in
            [("listen", edge), ("admin", admin), ("control", control), ("services", services)]
        {
            command.arg(format!("--{option}")).arg(address.to_string());
        }
        let up = Process::start(&mut command, &data.path().join("up.log"));
        let world = Self { data, edge, admin, control, services, up };
        wait_for(&format!("the edge to be ready\n{}", world.said()), || {
            try_request(admin, "GET", "/ready", &[], "").filter(|answer| answer.status == 200)
        });
        world
    }

    /// What `up` has printed so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.data.path().join("up.log")).unwrap_or_default()
    }

    /// The logs of the children, for messages of failed tests.
    pub(crate) fn logs(&self) -> String {
        let mut all = self.said();
        for name in ["control-plane", "origin", "edge"] {
            let path = self.data.path().join("logs").join(format!("{name}.log"));
            all += &format!("--- {name}\n{}", std::fs::read_to_string(path).unwrap_or_default());
        }
        all
    }

    /// An admin verb against this world's control plane.
    pub(crate) fn verb(&self, words: &[&str]) -> Output {
        let token = self.data.path().join("control-plane/root.token");
        tidegate()
            .args(words)
            .arg("--server")
            .arg(format!("http://{}", self.control))
            .arg("--token-file")
            .arg(token)
            .output()
            .unwrap()
    }

    /// The demo's spec with this world's addresses, changed by `change`, as a file.
    pub(crate) fn spec(&self, name: &str, change: impl Fn(String) -> String) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join("conf/demo/spec.yaml")).unwrap();
        let plugins = root.join("plugins").display().to_string();
        let text = text
            .replace("127.0.0.1:9080", &self.services.to_string())
            .replace("127.0.0.1:8080", &self.edge.to_string())
            .replace("127.0.0.1:8081", &self.admin.to_string())
            .replace("../../plugins", &plugins);
        let path = self.data.path().join(name);
        std::fs::write(&path, change(text)).unwrap();
        path
    }

    /// A figure of the edge by the beginning of its line; 0 when it is not there yet.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let text = get(self.admin, "/metrics").text();
        let found = text.lines().find(|candidate| candidate.starts_with(line));
        found.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    /// The process id of a child of `up`.
    pub(crate) fn child(&self, program: &str) -> Option<u32> {
        let output = Command::new("pgrep")
            .args(["-P", &self.up.id().to_string(), "-f", &format!("tidegate {program}")])
            .output()
            .ok()?;
        String::from_utf8_lossy(&output.stdout).split_whitespace().next()?.parse().ok()
    }
}

/// Ends a process at once.
pub(crate) fn kill(pid: u32) {
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
}
