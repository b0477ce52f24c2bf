//! Makes a spec that names files on this machine into one that any node can use.

use std::path::Path;

use tidegate_control_api::Problem;
use tidegate_spec::{Document, ListSource, PluginModule, Spec};

use crate::client::read_file;
use crate::{Client, ClientError, Result};

pub(crate) struct Packed {
    /// Canonical JSON, modules by hash.
    pub(crate) text: String,
    pub(crate) lines: Lines,
}

/// Where things stand in the text that the person wrote: the server sees only the packed one.
pub(crate) struct Lines(Document);

/// Problems of the reader are found here, with their lines; what needs the compiler is found by the
/// server. A text with problems is sent as it is, so that the person sees all of them at once.
pub(crate) async fn pack(client: &Client, text: &str, folder: &Path) -> Result<Packed> {
    let document = Document::parse(text).map_err(ClientError::Spec)?;
    if !document.problems().is_empty() {
        return Ok(Packed { text: text.to_owned(), lines: Lines(document) });
    }
    let mut spec = document.spec().clone();
    let mut problems = spec.load_redirects(|file| {
        let bytes = read_file(&folder.join(file)).map_err(|error| error.to_string())?;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("{file} is not UTF-8"))
    });
    problems.extend(upload(client, &mut spec, folder).await?);
    if !problems.is_empty() {
        return Err(ClientError::Spec(document.join(problems)));
    }
    let text = tidegate_spec::canonical::json(&spec.to_json());
    Ok(Packed { text, lines: Lines(document) })
}

async fn upload(client: &Client, spec: &mut Spec, folder: &Path) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for (index, plugin) in spec.plugins.iter_mut().enumerate() {
        let PluginModule::File(file) = &plugin.module else { continue };
        match read_file(&folder.join(file)) {
            Ok(bytes) => plugin.module = PluginModule::Sha256(client.blob_put(bytes).await?.sha256),
            Err(error) => {
                problems
                    .push(Problem::new(format!("plugins[{index}].module.file"), error.to_string()));
            }
        }
    }
    for (index, list) in spec.lists.iter_mut().enumerate() {
        let Some(ListSource::File(file)) = &list.source else { continue };
        match read_file(&folder.join(file)) {
            Ok(bytes) => {
                list.source = Some(ListSource::Sha256(client.blob_put(bytes).await?.sha256));
            }
            Err(error) => {
                let path = format!("lists[{index}].source.file");
                problems.push(Problem::new(path, error.to_string()));
            }
        }
    }
    Ok(problems)
}

impl Lines {
    /// Gives the problems of a refusal their lines in the text that the person wrote.
    pub(crate) fn placed(&self, error: ClientError) -> ClientError {
        let ClientError::Refused(mut fault) = error else { return error };
        for problem in &mut fault.problems {
            problem.line = self.0.line(&problem.path);
        }
        fault.problems.sort_by_key(|problem| problem.line.unwrap_or(u32::MAX));
        ClientError::Refused(fault)
    }
}
