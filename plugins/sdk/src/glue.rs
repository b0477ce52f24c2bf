//! Runs a rule over proxy-wasm.

use std::{cell::RefCell, net::IpAddr, rc::Rc, time::UNIX_EPOCH};

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType},
};

use crate::{Decision, Features, Kept, Mode, OnRefuse, Refusal, Rule, World, challenge, settings};

/// How long a tarpit holds a refused request.
const TARPIT_MS: u32 = 10_000;

/// Bits of the host's foreign function `tidegate_phases`.
const REQUEST_HEADERS: u32 = 1;
const REQUEST_BODY: u32 = 2;
const RESPONSE_HEADERS: u32 = 8;
/// A stream forgets its request when the next one begins, so the host may use it again.
const REUSE: u32 = 256;

/// A rule with all that its requests share.
struct Running<R> {
    rule: R,
    mode: Mode,
    on_refuse: OnRefuse,
    refused: u32,
    tagged: u32,
    shadowed: u32,
    kept: RefCell<Kept>,
}

/// The root context of a module that holds one rule.
#[doc(hidden)]
pub struct Root<R> {
    running: Option<Rc<Running<R>>>,
}

impl<R> Default for Root<R> {
    fn default() -> Self {
        Self { running: None }
    }
}

impl<R: Rule> Root<R> {
    fn start(&mut self, json: &[u8]) -> Result<(), String> {
        let settings = settings::<R::Config>(json)?;
        let rule = R::new(settings.config)?;
        let define = |word: &str| {
            hostcalls::define_metric(MetricType::Counter, &format!("{}_{word}", R::NAME))
                .map_err(|status| format!("define_metric: {status:?}"))
        };
        subscribe(&rule);
        self.running = Some(Rc::new(Running {
            rule,
            mode: settings.mode,
            on_refuse: settings.on_refuse,
            refused: define("refused")?,
            tagged: define("tagged")?,
            shadowed: define("shadowed")?,
            kept: RefCell::default(),
        }));
        Ok(())
    }
}

/// Tells the host which phases matter, so that it skips the others. Other hosts do not know it.
fn subscribe<R: Rule>(rule: &R) {
    let phases = rule.phases();
    let mut bits = REQUEST_HEADERS | REUSE;
    if phases.body_bytes_max > 0 {
        bits |= REQUEST_BODY;
    }
    if phases.response {
        bits |= RESPONSE_HEADERS;
    }
    let _ = hostcalls::call_foreign_function("tidegate_phases", Some(&bits.to_le_bytes()));
}

impl<R> Context for Root<R> {}

impl<R: Rule> RootContext for Root<R> {
    fn on_configure(&mut self, _size: usize) -> bool {
        let json = self.get_plugin_configuration().unwrap_or_default();
        match self.start(&json) {
            Ok(()) => true,
            Err(problem) => {
                let _ = hostcalls::log(LogLevel::Error, &format!("{}: {problem}", R::NAME));
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        let running = self.running.clone()?;
        Some(Box::new(Stream { running, decided: false, remembered: RefCell::default() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream<R> {
    running: Rc<Running<R>>,
    decided: bool,
    remembered: RefCell<String>,
}

impl<R> Context for Stream<R> {}

impl<R: Rule> HttpContext for Stream<R> {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.decided = false;
        self.remembered.get_mut().clear();
        if self.running.rule.phases().body_bytes_max > 0 && !end_of_stream {
            return self.decide_head();
        }
        self.decide(0)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let wanted = self.running.rule.phases().body_bytes_max;
        if self.decided || wanted == 0 {
            return Action::Continue;
        }
        if !end_of_stream && size < wanted {
            return Action::Pause;
        }
        self.decide(size.min(wanted))
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if self.running.rule.phases().response {
            self.running.rule.observe(&self.world(0));
        }
        Action::Continue
    }
}

impl<R: Rule> Stream<R> {
    fn world(&self, body: usize) -> Host<'_> {
        Host { kept: &self.running.kept, remembered: &self.remembered, body }
    }

    /// The head alone may be reason enough to refuse, and a host may never show the body.
    fn decide_head(&mut self) -> Action {
        let decision = self.running.rule.decide(&self.world(0));
        if matches!(decision, Decision::Refuse(_)) {
            self.decided = true;
            return self.running.act(decision);
        }
        Action::Pause
    }

    fn decide(&mut self, body: usize) -> Action {
        self.decided = true;
        self.running.act(self.running.rule.decide(&self.world(body)))
    }
}

impl<R: Rule> Running<R> {
    fn act(&self, decision: Decision) -> Action {
        match decision {
            Decision::Allow => Action::Continue,
            decision if self.mode == Mode::Shadow => self.shadow(&decision),
            Decision::Tag { name, value } => self.tag(&name, &value),
            Decision::Refuse(refusal) => self.carry_out(&refusal),
        }
    }

    fn shadow(&self, decision: &Decision) -> Action {
        let _ = hostcalls::increment_metric(self.shadowed, 1);
        let word = decision.word();
        let _ = hostcalls::set_property(vec!["shadow", R::NAME], Some(word.as_bytes()));
        Action::Continue
    }

    fn tag(&self, name: &str, value: &str) -> Action {
        let _ = hostcalls::increment_metric(self.tagged, 1);
        let _ = hostcalls::set_property(vec!["label", name], Some(value.as_bytes()));
        let field = format!("x-tidegate-{name}");
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, &field, Some(value));
        Action::Continue
    }

    /// What becomes of a refused request.
    fn carry_out(&self, refusal: &Refusal) -> Action {
        match self.on_refuse {
            OnRefuse::Block => self.refuse(refusal),
            OnRefuse::Challenge => self.challenge(refusal),
            OnRefuse::Tarpit => {
                // Other hosts do not know it: there the refusal comes at once.
                let hold = TARPIT_MS.to_le_bytes();
                let _ = hostcalls::call_foreign_function("tidegate_hold", Some(&hold));
                self.refuse(refusal)
            }
            OnRefuse::Tag => self.tag("refused", refusal.reason),
            OnRefuse::Log => {
                let _ = hostcalls::increment_metric(self.refused, 1);
                let line = format!("{}: {}: {}", R::NAME, refusal.reason, refusal.detail);
                let _ = hostcalls::log(LogLevel::Warn, &line);
                Action::Continue
            }
        }
    }

    /// Lets a client pass that has solved the puzzle; gives it to browsers that have not.
    fn challenge(&self, refusal: &Refusal) -> Action {
        let remembered = RefCell::default();
        let world = Host { kept: &self.kept, remembered: &remembered, body: 0 };
        let subject = format!("{}|{}", world.client_key(), world.host());
        let now_s = world.now_ms() / 1_000;
        if challenge::is_solved(&world.header("cookie").unwrap_or_default(), &subject, now_s) {
            return self.tag("challenge", "passed");
        }
        let browses = world.header("accept").is_some_and(|accept| accept.contains("text/html"));
        if !browses {
            return self.refuse(refusal);
        }
        let _ = hostcalls::increment_metric(self.refused, 1);
        let _ = hostcalls::set_property(vec!["label", "refused"], Some(b"challenge"));
        let fields =
            vec![("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")];
        let page = challenge::page(&subject, now_s);
        let _ = hostcalls::send_http_response(403, fields, Some(page.as_bytes()));
        Action::Pause
    }

    fn refuse(&self, refusal: &Refusal) -> Action {
        let _ = hostcalls::increment_metric(self.refused, 1);
        let _ = hostcalls::set_property(vec!["label", "refused"], Some(refusal.reason.as_bytes()));
        let retry = refusal.retry_after_s.map(|seconds| seconds.to_string());
        let mut fields =
            vec![("content-type", "application/problem+json"), ("cache-control", "no-store")];
        if let Some(seconds) = &retry {
            fields.push(("retry-after", seconds));
        }
        let body = refusal.body(R::NAME);
        let _ = hostcalls::send_http_response(u32::from(refusal.status), fields, Some(&body));
        Action::Pause
    }
}

/// The world as the host shows it.
struct Host<'a> {
    kept: &'a RefCell<Kept>,
    remembered: &'a RefCell<String>,
    body: usize,
}

impl World for Host<'_> {
    fn header(&self, name: &str) -> Option<String> {
        lossy(hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok()?)
    }

    fn headers(&self) -> Vec<(String, String)> {
        let fields = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        fields.into_iter().map(|(name, value)| (name, text(value))).collect()
    }

    fn response_header(&self, name: &str) -> Option<String> {
        lossy(hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok()?)
    }

    fn status(&self) -> u16 {
        self.response_header(":status").and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    fn client(&self) -> Option<IpAddr> {
        let address = self.property("source.address")?;
        if let Ok(socket) = address.parse::<std::net::SocketAddr>() {
            return Some(socket.ip());
        }
        address.parse().ok()
    }

    fn property(&self, path: &str) -> Option<String> {
        lossy(hostcalls::get_property(path.split('.').collect()).ok()?)
    }

    fn body(&self) -> Vec<u8> {
        let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, self.body);
        body.ok().flatten().unwrap_or_default()
    }

    fn now_ms(&self) -> u64 {
        let now =
            hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
        now.map_or(0, |now| now.as_millis() as u64)
    }

    fn count(&self, key: &str, window_ms: u64, amount: u64) -> u64 {
        let arguments = pack(&[&window_ms.to_le_bytes(), &amount.to_le_bytes(), key.as_bytes()]);
        number("tidegate_count", &arguments)
            .unwrap_or_else(|| self.kept.borrow_mut().count(key, window_ms, amount, self.now_ms()))
    }

    fn distinct(&self, key: &str, member: &str, window_ms: u64) -> u64 {
        let key_size = (key.len() as u32).to_le_bytes();
        let arguments =
            pack(&[&window_ms.to_le_bytes(), &key_size, key.as_bytes(), member.as_bytes()]);
        number("tidegate_distinct", &arguments).unwrap_or_else(|| {
            self.kept.borrow_mut().distinct(key, member, window_ms, self.now_ms())
        })
    }

    fn listed(&self, list: &str, value: &str) -> bool {
        let list_size = (list.len() as u32).to_le_bytes();
        let arguments = pack(&[&list_size, list.as_bytes(), value.as_bytes()]);
        number("tidegate_listed", &arguments) == Some(1)
    }

    fn features(&self) -> Features {
        let record = hostcalls::call_foreign_function("tidegate_features", None);
        let read = record.ok().flatten().and_then(|record| Features::unpack(&record));
        read.unwrap_or_else(|| Features::gather(self))
    }

    fn remember(&self, text: &str) {
        *self.remembered.borrow_mut() = text.to_owned();
    }

    fn recall(&self) -> String {
        self.remembered.borrow().clone()
    }
}

fn lossy(value: Option<Vec<u8>>) -> Option<String> {
    let value = value?;
    Some(
        String::from_utf8(value)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

fn pack(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Calls a function of the host that answers a number; `None` on other hosts.
fn number(function: &str, arguments: &[u8]) -> Option<u64> {
    let answer = hostcalls::call_foreign_function(function, Some(arguments)).ok()??;
    Some(u64::from_le_bytes(answer.try_into().ok()?))
}
