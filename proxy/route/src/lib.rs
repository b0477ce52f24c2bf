//! Which site and route a request belongs to, and which redirect answers it.
