//! A plugin for tests of hosts: each word of its configuration makes it do one thing.
//!
//! | word | what it does |
//! |---|---|
//! | `hold` | holds the request until its body is there, then tells its length in `x-body-bytes` |
//! | `upper` | writes the request body in capitals, piece by piece |
//! | `replace` | replaces the whole request body by `replaced` |
//! | `refuse` | answers 403 when the request body holds the word `attack` |
//! | `stuck` | holds the request and never lets it go |
//! | `head` | adds `x-seen` with the path to the response |
//! | `rhold` | holds the response until its body is there, then tells its length in `x-body-bytes` |
//! | `rupper` | writes the response body in capitals, piece by piece |
//! | `rreplace` | replaces the whole response body by `replaced` |
//! | `rrefuse` | answers 502 when the response body holds the word `secret` |
//! | `trailers` | adds `x-seen` to the response's trailers |
//! | `qtrailers` | adds `x-seen` to the request's trailers, and tells all of them on the response in `x-trailers` |
//! | `trefuse` | answers 403 when a trailer of the request holds the word `attack` |
//! | `listed` | answers 403 when the list `blocked` holds the client's address |
//! | `label` | labels the request: `label.probe` is its path |
//! | `labelled` | tells that label to the origin in `x-label` |
//! | `facts` | tells country, system and fingerprint of the client in `x-facts`, on request and response |
//! | `grpc` | asks `probe.Echo/Say` of the upstream `grpc`, and tells the answer to the origin in `x-grpc` |
//! | `log` | counts the responses by class in the metrics `probe_2xx` and so on |

#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, reason = "the entry function comes from a macro")]

use std::rc::Rc;

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel, MetricType},
};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Default)]
struct Root {
    words: Rc<Vec<String>>,
    classes: [u32; 6],
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        self.words = Rc::new(words.filter(|word| !word.is_empty()).map(str::to_owned).collect());
        for class in 1..6 {
            let name = format!("probe_{class}xx");
            let Ok(metric) = hostcalls::define_metric(MetricType::Counter, &name) else {
                return false;
            };
            self.classes[class] = metric;
        }
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            words: self.words.clone(),
            classes: self.classes,
            path: None,
            trailers: String::new(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    words: Rc<Vec<String>>,
    classes: [u32; 6],
    path: Option<Vec<u8>>,
    trailers: String,
}

impl Stream {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    fn text(&self, path: Vec<&str>) -> String {
        let value = self.get_property(path).unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    }

    fn is_listed(&self) -> bool {
        let client = self.text(vec!["source", "address"]);
        let client = client.rsplit_once(':').map_or("", |(address, _)| address);
        let client = client.trim_matches(['[', ']']);
        let list = "blocked";
        let mut arguments = (list.len() as u32).to_le_bytes().to_vec();
        arguments.extend([list, client].concat().into_bytes());
        let answer = hostcalls::call_foreign_function("tidegate_listed", Some(&arguments));
        answer.ok().flatten().is_some_and(|answer| answer.first() == Some(&1))
    }

    fn facts(&self) -> String {
        let country = self.text(vec!["source", "country"]);
        let system = self.get_property(vec!["source", "asn"]).unwrap_or_default();
        let system = String::from_utf8_lossy(&system).into_owned();
        let fingerprint = self.text(vec!["http2", "fingerprint"]);
        format!("{country};{system};{fingerprint}")
    }

    fn ask(&mut self) -> Action {
        let timeout = std::time::Duration::from_secs(5);
        let asked = self.dispatch_grpc_call(
            "grpc",
            "probe.Echo",
            "Say",
            vec![("x-metadata", b"from the probe")],
            Some(b"hello"),
            timeout,
        );
        if asked.is_ok() { Action::Pause } else { Action::Continue }
    }
}

impl Context for Stream {
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, size: usize) {
        let message = self.get_grpc_call_response_body(0, size).unwrap_or_default();
        let text = format!("{status} {}", String::from_utf8_lossy(&message));
        self.set_http_request_header("x-grpc", Some(text.trim_end()));
        self.resume_http_request();
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.path = self.get_http_request_header_bytes(":path");
        if self.has("listed") && self.is_listed() {
            self.send_http_response(403, vec![("x-by", "probe")], Some(b"listed\n"));
            return Action::Pause;
        }
        if self.has("label") {
            self.set_property(vec!["label", "probe"], self.path.as_deref());
        }
        if self.has("labelled") {
            let label = self.get_property(vec!["label", "probe"]);
            self.set_http_request_header_bytes("x-label", label.as_deref());
        }
        if self.has("facts") {
            let facts = self.facts();
            self.set_http_request_header("x-facts", Some(&facts));
        }
        if self.has("grpc") {
            return self.ask();
        }
        let holds = self.has("hold") && !end_of_stream || self.has("stuck");
        if holds { Action::Pause } else { Action::Continue }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.has("stuck") {
            return Action::Pause;
        }
        let body = self.get_http_request_body(0, size).unwrap_or_default();
        if self.has("refuse") && String::from_utf8_lossy(&body).contains("attack") {
            self.send_http_response(403, vec![("x-by", "probe")], Some(b"refused\n"));
            return Action::Pause;
        }
        if (self.has("hold") || self.has("replace")) && !end_of_stream {
            return Action::Pause;
        }
        if self.has("hold") {
            self.set_http_request_header("x-body-bytes", Some(&size.to_string()));
        }
        if self.has("upper") {
            self.set_http_request_body(0, size, &body.to_ascii_uppercase());
        }
        if self.has("replace") {
            self.set_http_request_body(0, size, b"replaced");
        }
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.has("qtrailers") {
            self.add_http_request_trailer("x-seen", "trailers");
            self.trailers = lines(&self.get_http_request_trailers());
        }
        if self.has("trefuse") && lines(&self.get_http_request_trailers()).contains("attack") {
            self.send_http_response(403, vec![("x-by", "probe")], Some(b"refused\n"));
            return Action::Pause;
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if self.has("facts") {
            let facts = self.facts();
            self.set_http_response_header("x-facts", Some(&facts));
        }
        if !self.trailers.is_empty() {
            self.set_http_response_header("x-trailers", Some(&self.trailers));
        }
        if self.has("head") {
            self.set_http_response_header_bytes("x-seen", self.path.as_deref());
        }
        if self.has("rhold") && !end_of_stream { Action::Pause } else { Action::Continue }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let body = self.get_http_response_body(0, size).unwrap_or_default();
        if self.has("rrefuse") && String::from_utf8_lossy(&body).contains("secret") {
            self.send_http_response(502, vec![("x-by", "probe")], Some(b"withheld\n"));
            return Action::Pause;
        }
        if (self.has("rhold") || self.has("rreplace")) && !end_of_stream {
            return Action::Pause;
        }
        if self.has("rhold") {
            self.set_http_response_header("x-body-bytes", Some(&size.to_string()));
        }
        if self.has("rupper") {
            self.set_http_response_body(0, size, &body.to_ascii_uppercase());
        }
        if self.has("rreplace") {
            self.set_http_response_body(0, size, b"replaced");
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if self.has("trailers") {
            self.add_http_response_trailer("x-seen", "trailers");
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        let code = self.get_property(vec!["response", "code"]).unwrap_or_default();
        let code = <[u8; 8]>::try_from(code.as_slice()).map_or(0, i64::from_le_bytes);
        let class = usize::try_from(code / 100).unwrap_or(0);
        if self.has("log")
            && let Some(metric) = self.classes.get(class)
        {
            let _ = hostcalls::increment_metric(*metric, 1);
        }
    }
}

/// Fields as `name=value`, parted by `;`.
fn lines(fields: &[(String, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(";")
}
