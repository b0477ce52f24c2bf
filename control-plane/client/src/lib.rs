//! What edges, origin services and the admin verbs use to talk to the control plane.
