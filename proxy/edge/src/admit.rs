//! Fifth step: the plugins' request phase.

use tidegate_http::Framing;
use tidegate_telemetry::{Counter, Phase, Reason};
use tidegate_wasm::{Buffer, LocalResponse, Phases, RequestContext, Verdict};

use crate::{
    action,
    answer::{Answer, Local},
    request::{Admitted, Permitted, Received, Stop, Work},
    view::{Surroundings, View},
};

/// Asks the route's plugins.
pub(crate) fn ask(mut permitted: Permitted<'_>) -> Result<Admitted<'_>, Stop<'_>> {
    let found = permitted.verified.routed.found;
    let cx = permitted.verified.routed.received.cx;
    let chain = cx.running.chain(found.route);
    if chain.is_empty() {
        return Ok(Admitted { permitted, plugins: None });
    }
    let mut plugins = chain.begin();
    let received = &mut permitted.verified.routed.received;
    if let Some(labels) = &received.labels {
        plugins.tell_labels(labels.clone());
    }
    let around = received.around(Some(found));
    let mut view = View::of_request(received.head, &mut received.edits, around);
    let end_of_stream = received.head.body() == Framing::Empty;
    match plugins.on_request_headers(&mut view, end_of_stream) {
        Verdict::Answer(response) => {
            let answer = Answer::Local(local(response));
            Err(action::stop(Admitted { permitted, plugins: Some(plugins) }, answer))
        }
        // Whoever wants to see the body sees it in the slow lane.
        Verdict::Continue if end_of_stream || !chain.wants(Phases::REQUEST_BODY) => {
            Ok(Admitted { permitted, plugins: Some(plugins) })
        }
        Verdict::Continue | Verdict::Pause => {
            let Permitted { verified } = permitted;
            Err(Stop::Detach(Box::new(verified.detach(Some(plugins), Work::Paused))))
        }
    }
}

/// Shows an answer made here to the plugins that the request has passed. It is whole and does not
/// wait: a plugin that pauses over it only asks for the body, and gets it.
pub(crate) fn respond(
    plugins: &mut RequestContext,
    received: &mut Received<'_>,
    around: Surroundings<'_>,
    local: &mut Local,
) {
    let mut body = Vec::new();
    let mut verdict = {
        let head = &mut local.head;
        let mut view = View::of_response(received.head, &mut received.edits, head, around);
        plugins.on_response_headers(&mut view, local.body.is_empty())
    };
    if !matches!(verdict, Verdict::Answer(_)) && !local.body.is_empty() {
        body.extend_from_slice(&local.body);
        let head = &mut local.head;
        let view = View::of_response(received.head, &mut received.edits, head, around);
        let mut view = view.with_body(Buffer::ResponseBody, &mut body);
        verdict = plugins.on_response_body(&mut view, true);
        local.body = body.into();
    }
    if let Verdict::Answer(response) = verdict {
        *local = self::local(response);
    }
}

/// A plugin's own answer.
pub(crate) fn local(response: LocalResponse) -> Local {
    Counter::PluginAnswers.inc();
    let mut local = Local::new(Phase::Plugin, response.status, "", response.body)
        .because(Reason::Plugin)
        .by_plugin(response.plugin);
    for (name, value) in &response.fields {
        // Framing and the connection's own fields are written by the edge.
        if !tidegate_http::is_hop_by_hop(name, b"") && !name.eq_ignore_ascii_case(b"content-length")
        {
            let _ = local.head.fields.try_push(name, value);
        }
    }
    if let Some(status) = response.grpc_status {
        local.head.fields.set("grpc-status", status.to_string());
    }
    local
}
