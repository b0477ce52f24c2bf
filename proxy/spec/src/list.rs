//! Lists that plugins ask.

use crate::resource::{choice, resource, words};

resource! {
    /// A list that plugins ask by its name whether it holds an address, a hash or a text.
    pub struct List {
        /// Its name, as plugins' configurations have it.
        pub name: String,
        /// What its entries are.
        pub kind: ListKind = ListKind::Address,
        /// Entries that stand here.
        pub entries: Vec<String>,
        /// Further entries, one a line; `#` begins a comment.
        pub source: Option<ListSource>,
    }
}

words! {
    /// What the entries of a list are.
    pub enum ListKind {
        /// Addresses and networks, `192.0.2.7` and `2001:db8::/32`.
        Address = "address",
        /// Hashes of one length in hex, 8 to 64 bytes.
        Hash = "hash",
        /// Texts, compared byte by byte.
        Text = "text",
    }
}

choice! {
    /// Where the entries of a long list are.
    pub enum ListSource {
        /// A file; applying the spec uploads it and puts its hash in this place.
        File(String) = "file",
        /// SHA-256 of the file in hex: what an applied spec holds.
        Sha256(String) = "sha256",
    }
}
