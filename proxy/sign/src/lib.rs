//! Signed URLs and access tokens: minting and verifying.
