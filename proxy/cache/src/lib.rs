//! What a shared HTTP cache may store, reuse and must revalidate (RFC 9111).
