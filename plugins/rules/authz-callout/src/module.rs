//! The module: calls out, waits, remembers.
#![allow(missing_docs, reason = "the entry function comes from a macro")]

use std::{rc::Rc, time::Duration, time::UNIX_EPOCH};

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel},
};

use crate::{Config, Judgement, OnError, judge, read};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { config: None }));
}}

struct Root {
    config: Option<Rc<Config>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match read(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(config) => {
                self.config = Some(Rc::new(config));
                true
            }
            Err(problem) => {
                let _ = hostcalls::log(LogLevel::Error, &format!("authz_callout: {problem}"));
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { config: self.config.clone()?, key: String::new() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    config: Rc<Config>,
    key: String,
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let seen = self.seen();
        self.key = seen.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        if let Some(judgement) = self.remembered() {
            return self.act(judgement);
        }
        let mut fields = vec![
            (":method", "GET"),
            (":path", self.config.path.as_str()),
            (":authority", self.config.upstream.as_str()),
        ];
        fields.extend(seen.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let timeout = Duration::from_millis(self.config.timeout_ms);
        match self.dispatch_http_call(&self.config.upstream, fields, None, vec![], timeout) {
            Ok(_) => Action::Pause,
            Err(_) => self.act(Judgement::Failed),
        }
    }
}

impl Context for Stream {
    fn on_http_call_response(
        &mut self,
        _token: u32,
        fields: usize,
        _body: usize,
        _trailers: usize,
    ) {
        let status = match fields {
            0 => None,
            _ => self.get_http_call_response_header(":status"),
        };
        let judgement = judge(status.and_then(|status| status.parse().ok()));
        self.remember(judgement);
        if self.act(judgement) == Action::Continue {
            self.resume_http_request();
        }
    }
}

impl Stream {
    /// What the service gets to see.
    fn seen(&self) -> Vec<(String, String)> {
        let text = |name: &str| {
            let value = self.get_http_request_header_bytes(name)?;
            Some(String::from_utf8_lossy(&value).into_owned())
        };
        let original = [
            ("x-original-method", ":method"),
            ("x-original-host", ":authority"),
            ("x-original-path", ":path"),
        ];
        let original = original.iter().filter_map(|(name, of)| Some((name.to_string(), text(of)?)));
        let named = self.config.headers.iter().filter_map(|name| Some((name.clone(), text(name)?)));
        original.chain(named).collect()
    }

    fn act(&self, judgement: Judgement) -> Action {
        let status = match judgement {
            Judgement::Pass => return Action::Continue,
            Judgement::Refuse(status) => status,
            Judgement::Failed if self.config.on_error == OnError::Pass => return Action::Continue,
            Judgement::Failed => 503,
        };
        let body = format!(
            "{{\"type\":\"about:blank\",\"status\":{status},\"rule\":\"authz_callout\"}}\n"
        );
        let fields =
            vec![("content-type", "application/problem+json"), ("cache-control", "no-store")];
        self.send_http_response(u32::from(status), fields, Some(body.as_bytes()));
        Action::Pause
    }

    /// What the service said of the same request before: seconds until which it counts, and a status.
    fn remembered(&self) -> Option<Judgement> {
        if self.config.remember_s == 0 {
            return None;
        }
        let (value, _) = self.get_shared_data(&self.key);
        let text = String::from_utf8(value?).ok()?;
        let (until, status) = text.split_once(' ')?;
        (until.parse::<u64>().ok()? > now_s()).then(|| judge(status.parse().ok()))
    }

    fn remember(&self, judgement: Judgement) {
        let status = match judgement {
            Judgement::Pass => 200,
            Judgement::Refuse(status) => status,
            Judgement::Failed => return,
        };
        if self.config.remember_s > 0 {
            let value = format!("{} {status}", now_s() + self.config.remember_s);
            let _ = self.set_shared_data(&self.key, Some(value.as_bytes()), None);
        }
    }
}

fn now_s() -> u64 {
    let now =
        hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    now.map_or(0, |now| now.as_secs())
}
