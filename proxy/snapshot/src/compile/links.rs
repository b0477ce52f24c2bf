//! Link domains and redirect tables.

use std::collections::HashMap;

use tidegate_route::pattern::Segment;
use tidegate_route::{PathPattern, Template, redirect};
use tidegate_spec::{Problem, RedirectRule};

use super::Compiler;
use super::names::Kind;
use crate::snapshot::{LinkDomain, UpstreamIndex};

impl Compiler<'_> {
    pub(super) fn link_domains(&mut self) -> Vec<LinkDomain> {
        let domains = self.spec.link_domains.iter().enumerate();
        domains
            .filter_map(|(index, domain)| {
                self.link_domain(domain, &format!("link_domains[{index}]"))
            })
            .collect()
    }

    fn link_domain(
        &mut self,
        domain: &tidegate_spec::LinkDomain,
        path: &str,
    ) -> Option<LinkDomain> {
        self.duration(domain.lag_max, &format!("{path}.lag_max"));
        let upstream =
            self.resolve(Kind::Upstream, &domain.upstream, &format!("{path}.upstream"))?;
        Some(LinkDomain {
            name: domain.name.as_str().into(),
            upstream: UpstreamIndex(upstream),
            table: domain.table.as_str().into(),
            domain: domain.domain.as_str().into(),
            ignore_case: domain.ignore_case,
            lag_us_max: u64::try_from(domain.lag_max.as_micros()).unwrap_or(u64::MAX),
        })
    }

    pub(super) fn redirects(&mut self) -> Vec<redirect::Table> {
        let tables = self.spec.redirects.iter().enumerate();
        tables.map(|(index, table)| self.redirect_table(table, index)).collect()
    }

    fn redirect_table(
        &mut self,
        table: &tidegate_spec::RedirectTable,
        index: usize,
    ) -> redirect::Table {
        if let Some(file) = &table.file {
            self.problem(format!("redirects[{index}].file"), format!("\"{file}\" was not read in"));
        }
        let mut first: HashMap<&str, usize> = HashMap::with_capacity(table.rules.len());
        let mut rules = Vec::with_capacity(table.rules.len());
        for (number, rule) in table.rules.iter().enumerate() {
            let path = || format!("redirects[{index}].rules[{number}]");
            match first.get(rule.from.as_str()) {
                Some(earlier) => {
                    let message =
                        format!("\"{}\" is redirected twice, first by rules[{earlier}]", rule.from);
                    self.problem(format!("{}.from", path()), message);
                }
                None => {
                    first.insert(&rule.from, number);
                    rules.extend(self.redirect_rule(rule, path));
                }
            }
        }
        redirect::Table::build(rules)
    }

    fn redirect_rule(
        &mut self,
        rule: &RedirectRule,
        path: impl Fn() -> String,
    ) -> Option<redirect::Rule> {
        if !is_redirect(rule.status) {
            self.redirect_status(rule.status, format!("{}.status", path()));
        }
        let from = self.path_pattern(&rule.from, || format!("{}.from", path()))?;
        let to = self.location(&rule.to, &from, || format!("{}.to", path()))?;
        if to.constant().is_some_and(|to| from.literal().as_deref() == Some(to)) {
            self.problem(format!("{}.to", path()), "leads to itself");
        }
        Some(redirect::Rule { from, to, status: rule.status, keep_query: rule.keep_query })
    }

    /// A path pattern in the form that normalised paths have.
    pub(super) fn path_pattern(
        &mut self,
        text: &str,
        path: impl Fn() -> String,
    ) -> Option<PathPattern> {
        let pattern = match PathPattern::parse(text) {
            Ok(pattern) => pattern,
            Err(error) => {
                self.problem(path(), error.to_string());
                return None;
            }
        };
        for segment in pattern.segments() {
            let Segment::Text(text) = segment else { continue };
            let written = format!("/{text}");
            match tidegate_http::normalise_path(&written) {
                Ok(normal) if normal == written => {}
                Ok(normal) => {
                    let message = "never matches: requests are compared in their normal form";
                    let hint = format!("\"{written}\" becomes \"{normal}\"");
                    self.problems.push(Problem::new(path(), message).hint(hint));
                }
                Err(_) => self.problem(path(), format!("\"{written}\" is no path")),
            }
        }
        Some(pattern)
    }

    /// Where a redirect leads: an address with http or https, or an absolute path.
    pub(super) fn location(
        &mut self,
        text: &str,
        from: &PathPattern,
        path: impl Fn() -> String,
    ) -> Option<Template> {
        let is_address = text.starts_with("http://") || text.starts_with("https://");
        if !is_address && !text.starts_with('/') {
            let problem =
                Problem::new(path(), format!("\"{text}\" is neither an address nor a path"));
            self.problems.push(problem.hint("begin with https://, http:// or /"));
            return None;
        }
        if is_address && !has_host(text) {
            self.problem(path(), format!("\"{text}\" has no host"));
        }
        match Template::parse(text, from) {
            Ok(template) => Some(template),
            Err(error) => {
                let names: Vec<&str> = from.names().collect();
                let mut problem = Problem::new(path(), error.to_string());
                problem.hint = (!names.is_empty()).then(|| format!("known: {}", names.join(", ")));
                self.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn redirect_status(&mut self, status: u16, path: String) {
        if !is_redirect(status) {
            let problem = Problem::new(path, format!("{status} is not a redirect"));
            self.problems.push(problem.hint("one of 301, 302, 303, 307, 308"));
        }
    }
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The host is fixed text: one taken from the request would make this an open redirect.
fn has_host(address: &str) -> bool {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    !host.is_empty() && !host.contains(['{', '@'])
}
