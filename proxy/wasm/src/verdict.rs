//! What the plugins of a chain decided.

/// Names and values in order.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Decision of a chain about one phase of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request goes on.
    Continue,
    /// A plugin holds the request: see [`crate::RequestContext::resume`].
    Pause,
    /// A plugin answers the request itself.
    Answer(LocalResponse),
}

/// A response made by a plugin or by the failure policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalResponse {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// Fields without pseudo fields; names and values are checked and carry no line breaks.
    pub fields: Pairs,
    /// Body.
    pub body: Vec<u8>,
    /// Status of a gRPC response, when the plugin set one.
    pub grpc_status: Option<u32>,
    /// The plugin's word for the reason (`response.code_details`), for logs.
    pub details: String,
    /// Name of the plugin that answered.
    pub plugin: String,
}
