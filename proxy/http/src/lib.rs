//! HTTP as bytes: request heads, fields, structured fields, dates, chunked framing.
