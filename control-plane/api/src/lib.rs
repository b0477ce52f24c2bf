//! Paths and types of the control plane's API.
