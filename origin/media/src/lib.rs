//! Media: packaging and URL minting.
