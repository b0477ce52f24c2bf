//! Upstream groups, connections, retries.
