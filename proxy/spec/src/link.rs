//! Short links and redirect tables.

use std::time::Duration;

use crate::resource::resource;

resource! {
    /// A set of short links that an edge answers.
    pub struct LinkDomain {
        /// Its name.
        pub name: String,
        /// The upstream that knows every link.
        pub upstream: String,
        /// The pushed table with the filter of live codes.
        pub table: String = "links".to_owned(),
        /// The domain of the codes inside the table.
        pub domain: String = "default".to_owned(),
        /// Whether `Abc` and `abc` are the same code.
        pub ignore_case: bool = false,
        /// How far the table may lag before unknown codes are asked upstream again.
        pub lag_max: Duration = Duration::from_secs(2),
    }
}

resource! {
    /// A table of redirects.
    pub struct RedirectTable {
        /// Its name.
        pub name: String,
        /// The rules; an exact path wins, then the longest prefix, then the order here.
        pub rules: Vec<RedirectRule>,
        /// A CSV file with more rules, `from,to[,status[,keep_query]]`, seen from the spec; applying the spec puts them in this place.
        pub file: Option<String>,
    }
}

resource! {
    /// One redirect.
    pub struct RedirectRule {
        /// `/x` exactly, `/x/*` everything below, `/u/{id}` with a parameter of one segment.
        pub from: String,
        /// Address or absolute path; `{rest}` and parameters are filled in.
        pub to: String,
        /// 301, 302, 303, 307 or 308.
        pub status: u16 = 301,
        /// Whether the request's query is appended.
        pub keep_query: bool = true,
    }
}
