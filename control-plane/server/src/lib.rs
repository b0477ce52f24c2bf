//! The control plane's HTTP server.
