//! Boots any set of origin contexts.
