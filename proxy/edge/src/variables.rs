//! What header edits may fill in of a request.

use std::borrow::Cow;

use tidegate_http::Head;
use tidegate_route::Match;
use tidegate_snapshot::{Facts, Variable};

use crate::{identity::Identity, request::Received, running::Running};

/// What header edits may fill in of a request.
pub(crate) struct Variables<'v> {
    pub(crate) head: &'v Head<'v>,
    pub(crate) identity: Identity,
    /// Site and route.
    pub(crate) names: (&'v str, &'v str),
    pub(crate) node: &'v str,
}

impl<'v> Variables<'v> {
    pub(crate) fn of(received: &'v Received<'_>, found: Match) -> Self {
        let cx = &received.cx;
        Self {
            head: received.head,
            identity: cx.identity(),
            names: cx.running.names(Some(found)),
            node: &cx.node.name,
        }
    }

    pub(crate) fn again(
        head: &'v Head<'v>,
        identity: Identity,
        running: &'v Running,
        found: Match,
        node: &'v str,
    ) -> Self {
        Self { head, identity, names: running.names(Some(found)), node }
    }
}

impl Facts for Variables<'_> {
    fn text(&self, variable: Variable) -> Cow<'_, str> {
        match variable {
            Variable::ClientIp => self.identity.client.ip().to_string().into(),
            Variable::Host => self.head.host().into(),
            Variable::Scheme => self.identity.scheme.as_str().into(),
            Variable::Method => self.head.method().as_str().into(),
            Variable::Path => self.head.path().into(),
            Variable::Query => self.head.query().unwrap_or_default().into(),
            Variable::RequestId => self.identity.trace.id().into(),
            Variable::Site => self.names.0.into(),
            Variable::Route => self.names.1.into(),
            Variable::Node => self.node.into(),
        }
    }
}
