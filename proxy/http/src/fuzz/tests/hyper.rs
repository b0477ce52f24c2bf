//! Beside hyper's server: every request that we take in full, it takes as the same request with the
//! same body, in the same order. It may take more than we do, never other ones.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::super::LIMITS;
use crate::{Framing, Scheme, chunked, parse_head};

/// Method, fields by name and value, and body of a request.
type Seen = (String, Vec<(String, Vec<u8>)>, Vec<u8>);

/// Bytes in flight on the pipe between us and hyper: no case comes near it.
const PIPE_BYTES: usize = 1 << 20;

pub(super) fn differential(data: &[u8]) {
    let ours = ours(data);
    if ours.is_empty() {
        return;
    }
    let theirs = theirs(data);
    assert!(theirs.len() >= ours.len(), "hyper takes {} of our {ours:?}", theirs.len());
    assert_eq!(ours, theirs[..ours.len()]);
}

/// The complete requests up to the first refusal, or to the end that one of them asks for.
fn ours(mut data: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Ok(Some((head, length))) = parse_head(data, &LIMITS, Scheme::Http) {
        data = &data[length..];
        let Some((body, used)) = body(head.body(), data) else { break };
        let fields = head.fields().map(|field| {
            (String::from_utf8_lossy(field.name).to_ascii_lowercase(), field.value.to_vec())
        });
        let mut fields: Vec<_> = fields.collect();
        fields.sort();
        seen.push((head.method().as_str().to_owned(), fields, body));
        data = &data[used..];
        if !head.keep_alive() {
            break;
        }
    }
    seen
}

fn body(framing: Framing, data: &[u8]) -> Option<(Vec<u8>, usize)> {
    match framing {
        Framing::Empty => Some((Vec::new(), 0)),
        Framing::Length(length) => {
            let length = usize::try_from(length).ok()?;
            data.get(..length).map(|body| (body.to_vec(), length))
        }
        Framing::Chunked => {
            let (mut decoder, mut content, mut at) = (chunked::Decoder::new(), Vec::new(), 0);
            while at < data.len() {
                match decoder.decode(&data[at..]).ok()? {
                    chunked::Step::More { consumed } => at += consumed,
                    chunked::Step::Data { consumed, data: range } => {
                        content.extend_from_slice(&data[at..][range]);
                        at += consumed;
                    }
                    chunked::Step::End { consumed } => return Some((content, at + consumed)),
                }
            }
            None
        }
    }
}

fn theirs(data: &[u8]) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let mut fields: Vec<_> = parts
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect();
            fields.sort();
            if let Ok(body) = body.collect().await {
                let method = parts.method.as_str().to_owned();
                seen.borrow_mut().push((method, fields, body.to_bytes().to_vec()));
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
        client.write_all(data).await.expect("the pipe takes it");
        client.shutdown().await.expect("the pipe ends");
        // How it ends does not matter; what it saw does.
        let _ = http1::Builder::new()
            .half_close(true)
            .pipeline_flush(true)
            .max_headers(LIMITS.fields_max)
            .serve_connection(TokioIo::new(server), service)
            .await;
    });
    seen.take()
}
