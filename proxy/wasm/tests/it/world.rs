//! A request as a test writes it down, and modules around a few lines of WAT.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tidegate_wasm::{
    Buffer, Chain, Exchange, Host, HostConfig, LoadError, LogLevel, LogSink, Map, Plugin,
    PluginConfig, Value,
};

/// A header section.
type Section = Vec<(String, Vec<u8>)>;

/// A request in memory.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) maps: [Option<Section>; 4],
    pub(crate) bodies: [Vec<u8>; 2],
    /// Address and port of the client, when it matters.
    pub(crate) client: Option<String>,
    pub(crate) site: Site,
}

/// What a host knows of where a client is.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) country: Option<String>,
}

fn index(map: Map) -> usize {
    match map {
        Map::RequestHeaders => 0,
        Map::RequestTrailers => 1,
        Map::ResponseHeaders => 2,
        Map::ResponseTrailers => 3,
    }
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        let mut request = Self::default();
        request.maps[0] = Some(vec![]);
        for (name, value) in [
            (":authority", "example.com"),
            (":path", path),
            (":method", "GET"),
            (":scheme", "https"),
        ] {
            request.add_field(Map::RequestHeaders, name, value.as_bytes());
        }
        request
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.add_field(Map::RequestHeaders, name, value.as_bytes());
        self
    }

    pub(crate) fn answered(&mut self, status: u16) -> &mut Self {
        self.maps[2] = Some(vec![(":status".into(), status.to_string().into())]);
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let value = self.field(Map::RequestHeaders, name)?;
        Some(String::from_utf8(value.into_owned()).unwrap())
    }

    pub(crate) fn body(&self) -> &str {
        std::str::from_utf8(&self.bodies[0]).unwrap()
    }
}

impl Exchange for Request {
    fn has_map(&self, map: Map) -> bool {
        self.maps[index(map)].is_some()
    }

    fn field(&self, map: Map, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut fields = self.maps[index(map)].as_ref()?.iter();
        fields.find(|(known, _)| known == name).map(|(_, value)| value.as_slice().into())
    }

    fn each_field(&self, map: Map, visit: &mut dyn FnMut(&[u8], &[u8])) {
        for (name, value) in self.maps[index(map)].iter().flatten() {
            visit(name.as_bytes(), value);
        }
    }

    fn add_field(&mut self, map: Map, name: &str, value: &[u8]) {
        let fields = self.maps[index(map)].as_mut().unwrap();
        fields.push((name.into(), value.into()));
    }

    fn set_field(&mut self, map: Map, name: &str, value: &[u8]) {
        self.remove_field(map, name);
        self.add_field(map, name, value);
    }

    fn remove_field(&mut self, map: Map, name: &str) {
        self.maps[index(map)].as_mut().unwrap().retain(|(known, _)| known != name);
    }

    fn buffer(&self, buffer: Buffer) -> &[u8] {
        &self.bodies[usize::from(buffer == Buffer::ResponseBody)]
    }

    fn splice(&mut self, buffer: Buffer, start: usize, length: usize, bytes: &[u8]) -> bool {
        let body = &mut self.bodies[usize::from(buffer == Buffer::ResponseBody)];
        body.splice(start..start + length, bytes.iter().copied());
        true
    }

    fn property(&self, path: &str) -> Option<Value<'_>> {
        match path {
            "source.address" => {
                Some(Value::text(self.client.as_deref().unwrap_or("192.0.2.1:4711")))
            }
            "source.country" => self.site.country.as_deref().map(Value::text),
            "source.port" => Some(Value::Int(4711)),
            "connection.mtls" => Some(Value::Bool(false)),
            _ => None,
        }
    }
}

/// Log lines of plugins.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, _plugin: &str, _level: LogLevel, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl Lines {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Waits until a line appears.
    pub(crate) fn wait_for(&self, text: &str) {
        wait_until(text, || self.all().iter().any(|line| line == text));
    }
}

/// Waits for a condition, for ten seconds at most.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A host and what its plugins log.
pub(crate) struct Stage {
    pub(crate) host: Arc<Host>,
    pub(crate) lines: Arc<Lines>,
}

pub(crate) fn stage() -> Stage {
    stage_with(HostConfig::default())
}

pub(crate) fn stage_with(config: HostConfig) -> Stage {
    let lines = Arc::new(Lines::default());
    let host = Host::new(HostConfig { log_sink: Some(lines.clone()), ..config }).unwrap();
    Stage { host, lines }
}

impl Stage {
    pub(crate) fn load(&self, wat: &str) -> Result<Arc<Plugin>, LoadError> {
        self.load_with(wat, |_| {})
    }

    pub(crate) fn load_with(
        &self,
        wat: &str,
        change: impl FnOnce(&mut PluginConfig),
    ) -> Result<Arc<Plugin>, LoadError> {
        let mut config = PluginConfig::new("probe", wat::parse_str(wat).unwrap());
        change(&mut config);
        self.host.load(config)
    }

    pub(crate) fn chain(&self, wat: &str) -> Chain {
        Chain::new(vec![self.load(wat).unwrap()])
    }
}

/// A whole module: version 0.2.1, memory, an allocator that only goes up, and helpers to log.
/// `body` adds imports by `(import ...)` first, then functions.
pub(crate) fn module(imports: &str, body: &str) -> String {
    format!(
        r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  {imports}
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $n i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.add (global.get $top) (local.get $n)))
    (local.get $at))
  ;; Logs the text whose place and length stand at 0 and 4.
  (func $say (drop (call $log (i32.const 2) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
  ;; Logs a number of two digits.
  (func $num (param $n i32)
    (i32.store8 (i32.const 16) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 10))))
    (i32.store8 (i32.const 17) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
    (drop (call $log (i32.const 2) (i32.const 16) (i32.const 2))))
  {body})"#
    )
}
