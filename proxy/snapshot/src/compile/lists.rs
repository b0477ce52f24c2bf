//! Lists that plugins ask.

use std::sync::Arc;

use tidegate_list::{Kind, List, Wrong};
use tidegate_spec::{ListKind, ListSource, Problem};

use super::Compiler;
use super::plugins::is_sha256;
use crate::material::Material;

impl Compiler<'_> {
    /// A list whose file is not at hand, as where a spec is only checked, holds its other entries.
    pub(super) fn lists(&mut self, material: &Material) -> Vec<(Arc<str>, Arc<List>)> {
        let lists = self.spec.lists.iter().enumerate();
        let compiled = lists.filter_map(|(at, list)| {
            let compiled = self.list(list, &format!("lists[{at}]"), material)?;
            Some((list.name.as_str().into(), Arc::new(compiled)))
        });
        compiled.collect()
    }

    pub(super) fn list_files(&self) -> Vec<Box<str>> {
        let sources = self.spec.lists.iter().filter_map(|list| list.source.as_ref());
        let files = sources.filter_map(|source| match source {
            ListSource::File(file) => Some(file.as_str().into()),
            ListSource::Sha256(_) => None,
        });
        files.collect()
    }

    fn list(
        &mut self,
        list: &tidegate_spec::List,
        path: &str,
        material: &Material,
    ) -> Option<List> {
        let (source, text) = match &list.source {
            None => ("", Some(&[][..])),
            Some(ListSource::File(file)) => (".source.file", material.list(file)),
            Some(ListSource::Sha256(hash)) => (".source.sha256", material.list(hash)),
        };
        let source = format!("{path}{source}");
        match &list.source {
            Some(ListSource::File(file)) if file.is_empty() => {
                self.problem(source.clone(), "no file named");
            }
            Some(ListSource::Sha256(hash)) if !is_sha256(hash) => {
                self.problem(source.clone(), "a SHA-256 is 64 lowercase hex digits");
            }
            _ => {}
        }
        let text = std::str::from_utf8(text.unwrap_or_default());
        let text = self.ok(&source, text.map_err(|_| "the file is not UTF-8"))?;
        let entries = list.entries.iter().map(String::as_str);
        let built = List::both(kind(list.kind), entries, text);
        built.map_err(|(in_file, wrong)| self.wrong(in_file, &wrong, path, source)).ok()
    }

    fn wrong(&mut self, in_file: bool, wrong: &Wrong, path: &str, source: String) {
        let (place, message) = (wrong.place, &wrong.message);
        let problem = match in_file {
            true => Problem::new(source, format!("line {place} of the file: {message}")),
            false => Problem::new(format!("{path}.entries[{place}]"), message.clone()),
        };
        self.problems.push(problem);
    }
}

const fn kind(kind: ListKind) -> Kind {
    match kind {
        ListKind::Address => Kind::Address,
        ListKind::Hash => Kind::Hash,
        ListKind::Text => Kind::Text,
    }
}
