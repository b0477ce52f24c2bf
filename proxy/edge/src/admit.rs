//! Fifth step: the plugins' request phase.

use tidegate_http::Framing;
use tidegate_telemetry::{Counter, Phase, Reason};
use tidegate_wasm::{LocalResponse, Verdict};

use crate::{
    answer::{Answer, Local},
    request::{Admitted, Permitted, Stop, Work},
    view::View,
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
    let around = received.around(Some(found));
    let mut view = View::of_request(received.head, &mut received.edits, around);
    let end_of_stream = received.head.body() == Framing::Empty;
    match plugins.on_request_headers(&mut view, end_of_stream) {
        Verdict::Continue => Ok(Admitted { permitted, plugins: Some(plugins) }),
        Verdict::Answer(response) => {
            plugins.finish(&mut view);
            Err(permitted.verified.routed.stop(Answer::Local(local(response))))
        }
        Verdict::Pause => {
            let Permitted { verified, permit } = permitted;
            Err(Stop::Detach(Box::new(verified.detach(permit, Some(plugins), Work::Paused))))
        }
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
