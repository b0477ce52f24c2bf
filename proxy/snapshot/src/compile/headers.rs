//! Header policies, CORS and compression.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_http::{ContentCoding, FieldList};
use tidegate_spec::{CompressPolicy, Encoding, HeaderEdits, Hsts, Problem, key_path};

use super::Compiler;
use super::sites::is_token_byte;
use crate::compress::{Compress, TypePattern};
use crate::cors::{Cors, OriginPattern};
use crate::edits::{Edits, HeaderPolicy, Value, Variable};

/// What browsers ask of a site that they are to build in.
const PRELOAD_AGE_MIN: Duration = Duration::from_secs(31_536_000);

impl Compiler<'_> {
    pub(super) fn headers(
        &mut self,
        policy: &tidegate_spec::HeaderPolicy,
        path: &str,
    ) -> HeaderPolicy {
        HeaderPolicy {
            request: self.edits(&policy.request, &format!("{path}.request")),
            response: self.edits(&policy.response, &format!("{path}.response")),
            hsts: policy.hsts.as_ref().map(|hsts| self.hsts(hsts, &format!("{path}.hsts"))),
            cors: policy.cors.as_ref().map(|cors| self.cors(cors, &format!("{path}.cors")).into()),
        }
    }

    /// `None` where a policy offers no coding, or there is no policy.
    pub(super) fn compress(
        &mut self,
        policy: Option<&CompressPolicy>,
        path: &str,
    ) -> Option<Arc<Compress>> {
        let policy = policy?;
        let mut types = Vec::new();
        for (index, text) in policy.types.iter().enumerate() {
            match TypePattern::parse(text) {
                Some(pattern) => types.push(pattern),
                None => {
                    let path = format!("{path}.types[{index}]");
                    let problem = Problem::new(path, format!("\"{text}\" is no media type"));
                    self.problems.push(problem.hint("text/html, text/* or *+json"));
                }
            }
        }
        let codings: Box<[ContentCoding]> = policy.encodings.iter().map(coding).collect();
        (!codings.is_empty()).then(|| {
            Arc::new(Compress { codings, types: types.into(), bytes_min: policy.min_bytes.0 })
        })
    }

    fn hsts(&mut self, hsts: &Hsts, path: &str) -> Box<str> {
        if hsts.preload && !(hsts.include_subdomains && hsts.max_age >= PRELOAD_AGE_MIN) {
            let message = "preload asks for include_subdomains and a max_age of 365d";
            self.problem(format!("{path}.preload"), message);
        }
        let mut value = format!("max-age={}", hsts.max_age.as_secs());
        for (said, word) in
            [(hsts.include_subdomains, "; includeSubDomains"), (hsts.preload, "; preload")]
        {
            value.push_str(if said { word } else { "" });
        }
        value.into()
    }

    fn cors(&mut self, cors: &tidegate_spec::Cors, path: &str) -> Cors {
        let any = cors.origins.iter().any(|origin| origin == "*");
        if cors.origins.is_empty() {
            self.problem(format!("{path}.origins"), "name at least one origin, or \"*\"");
        }
        let mut origins = Vec::new();
        for (index, text) in cors.origins.iter().enumerate().filter(|(_, text)| *text != "*") {
            match OriginPattern::parse(text) {
                Some(pattern) => origins.push(pattern),
                None => {
                    let path = format!("{path}.origins[{index}]");
                    let problem = Problem::new(path, format!("\"{text}\" is no origin"));
                    let hint = "scheme, host and port without a path: https://app.example";
                    self.problems.push(problem.hint(hint));
                }
            }
        }
        let star = |list: &[String]| list.iter().any(|word| word == "*");
        if cors.credentials && (any || star(&cors.headers) || star(&cors.expose)) {
            let message = "with credentials, \"*\" would let any page act for its visitors";
            let problem = Problem::new(format!("{path}.credentials"), message);
            self.problems.push(problem.hint("list origins, headers and expose one by one"));
        }
        for (key, list) in
            [("methods", &cors.methods), ("headers", &cors.headers), ("expose", &cors.expose)]
        {
            for (index, word) in list.iter().enumerate().filter(|(_, word)| *word != "*") {
                self.field_name(word, &format!("{path}.{key}[{index}]"));
            }
        }
        Cors {
            any,
            origins: origins.into(),
            methods: cors.methods.join(", ").into(),
            headers: cors.headers.join(", ").into(),
            expose: cors.expose.join(", ").into(),
            credentials: cors.credentials,
            max_age: cors.max_age,
        }
    }

    fn edits(&mut self, edits: &HeaderEdits, path: &str) -> Edits {
        let remove = edits.remove.iter().enumerate().map(|(index, name)| {
            self.field_name(name, &format!("{path}.remove[{index}]"));
            name.to_ascii_lowercase().into()
        });
        let remove = remove.collect();
        let set = self.lines(&edits.set, &format!("{path}.set"));
        let add = self.lines(&edits.add, &format!("{path}.add"));
        Edits { remove, set, add }
    }

    fn lines(&mut self, lines: &BTreeMap<String, String>, path: &str) -> Vec<(Box<str>, Value)> {
        let mut compiled = Vec::with_capacity(lines.len());
        for (name, text) in lines {
            let path = key_path(path, name);
            self.ok(&path, FieldList::default().try_push(name, text));
            self.field_name(name, &path);
            match Value::parse(text) {
                Ok(value) => compiled.push((name.to_ascii_lowercase().into(), value)),
                Err(unknown) => {
                    let message = format!("nothing is called {{{}}}", unknown.0);
                    let words = Variable::WORDS.join(", ");
                    self.problems.push(Problem::new(path, message).hint(format!("one of {words}")));
                }
            }
        }
        compiled
    }

    /// A field name that may be edited or looked at.
    pub(super) fn field_name(&mut self, name: &str, path: &str) -> Option<()> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            self.problem(path.to_owned(), format!("\"{name}\" is no field name"));
            return None;
        }
        Some(())
    }
}

fn coding(encoding: &Encoding) -> ContentCoding {
    match encoding {
        Encoding::Zstd => ContentCoding::Zstd,
        Encoding::Brotli => ContentCoding::Brotli,
        Encoding::Gzip => ContentCoding::Gzip,
    }
}
