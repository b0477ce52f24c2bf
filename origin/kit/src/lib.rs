//! The shared kit of the origin services.
