//! Upstreams: addresses and numbers.

use std::time::Duration;

use tidegate_spec::{HealthCheck, Problem, Server, Upstream};

use super::Compiler;

/// Longest of every timeout of an upstream.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Most servers of an upstream.
const SERVERS_MAX: usize = 4_096;

impl Compiler<'_> {
    pub(super) fn upstreams(&mut self) -> Vec<Upstream> {
        for (index, upstream) in self.spec.upstreams.iter().enumerate() {
            self.upstream(upstream, &format!("upstreams[{index}]"));
        }
        self.spec.upstreams.clone()
    }

    fn upstream(&mut self, upstream: &Upstream, path: &str) {
        if upstream.servers.is_empty() {
            self.problem(format!("{path}.servers"), "an upstream needs at least one server");
        }
        if upstream.servers.len() > SERVERS_MAX {
            self.problem(format!("{path}.servers"), format!("more than {SERVERS_MAX} servers"));
        }
        for (index, server) in upstream.servers.iter().enumerate() {
            self.server(server, &format!("{path}.servers[{index}]"));
        }
        if upstream.servers.iter().all(|server| server.weight == 0) && !upstream.servers.is_empty()
        {
            self.problem(
                format!("{path}.servers"),
                "every server has weight 0, so none is ever chosen",
            );
        }
        self.timeouts(upstream, path);
        if let Some(health) = &upstream.health {
            self.health(health, &format!("{path}.health"));
        }
        self.percent(
            upstream.ejection.ejected_percent_max,
            &format!("{path}.ejection.ejected_percent_max"),
        );
    }

    fn server(&mut self, server: &Server, path: &str) {
        if let Err((message, hint)) = check_address(&server.url) {
            self.problems.push(Problem::new(format!("{path}.url"), message).hint(hint));
        }
    }

    fn timeouts(&mut self, upstream: &Upstream, path: &str) {
        let all = [
            ("connect_timeout", Some(upstream.connect_timeout)),
            ("first_byte_timeout", Some(upstream.first_byte_timeout)),
            ("between_bytes_timeout", Some(upstream.between_bytes_timeout)),
            ("total_timeout", upstream.total_timeout),
            ("keepalive", Some(upstream.keepalive)),
        ];
        for (key, value) in all {
            let Some(value) = value else { continue };
            self.duration(value, &format!("{path}.{key}"));
        }
    }

    /// A duration above zero and at most a day.
    pub(super) fn duration(&mut self, value: Duration, path: &str) {
        if value.is_zero() {
            self.problem(path.to_owned(), "must be more than 0");
        } else if value > TIMEOUT_MAX {
            self.problem(path.to_owned(), "must be at most 1d");
        }
    }

    /// A share of at most 100 percent.
    pub(super) fn percent(&mut self, value: u32, path: &str) {
        if value > 100 {
            self.problem(path.to_owned(), format!("must be at most 100, it is {value}"));
        }
    }

    fn health(&mut self, health: &HealthCheck, path: &str) {
        if !health.path.starts_with('/') {
            self.problem(format!("{path}.path"), "a path begins with \"/\"");
        }
        self.duration(health.interval, &format!("{path}.interval"));
        self.duration(health.timeout, &format!("{path}.timeout"));
        for (key, count) in
            [("healthy_after", health.healthy_after), ("unhealthy_after", health.unhealthy_after)]
        {
            if count == 0 {
                self.problem(format!("{path}.{key}"), "must be at least 1");
            }
        }
        if health.status.is_some_and(|status| !(100..=599).contains(&status)) {
            self.problem(format!("{path}.status"), "a status lies between 100 and 599");
        }
    }
}

/// What is wrong with a server's URL, and what would be right.
fn check_address(url: &str) -> Result<(), (String, String)> {
    let wrong = |message: String, hint: &str| Err((message, hint.to_owned()));
    if let Some(path) = url.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        let absolute = path.starts_with('/');
        let message = format!("\"{url}\" needs an absolute path");
        return if absolute { Ok(()) } else { wrong(message, "for example unix:/run/app.sock") };
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let message = format!("\"{url}\" has no scheme");
        return wrong(message, &format!("for example http://{url}"));
    };
    if !["http", "https", "h2c", "h2"].contains(&scheme) {
        let message = format!("unknown scheme \"{scheme}\"");
        return wrong(message, "http, https, h2c, h2, or unix:/path");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '@']) {
        let message = format!("\"{url}\" has more than scheme, host and port");
        return wrong(message, "a path belongs into a route's rewrite");
    }
    check_authority(url, authority)
}

fn check_authority(url: &str, authority: &str) -> Result<(), (String, String)> {
    let parsed = url::Url::parse(&format!("http://{authority}/"));
    let hint = "for example http://127.0.0.1:9080".to_owned();
    match parsed {
        // "http://host:/" is taken by the URL standard; here a colon promises a port.
        Ok(_) if authority.ends_with(':') => {
            Err((format!("\"{url}\" has no port after its colon"), hint))
        }
        Ok(parsed) if parsed.port() == Some(0) => Err((format!("\"{url}\" has port 0"), hint)),
        Ok(_) => Ok(()),
        Err(error) => Err((format!("\"{url}\" is no address: {error}"), hint)),
    }
}
