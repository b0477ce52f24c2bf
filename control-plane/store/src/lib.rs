//! Revisions, nodes, tables, blobs and audit.
