//! Signed addresses of the demonstration stream.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tidegate_sign::{Claims, Keyset, MintError, Scope, mint};

/// Everything that a minted token opens lies below this path.
pub(crate) const PREFIX: &str = "/media/demo";
/// How long a token is good where nothing else is asked for, and at most.
pub(crate) const TOKEN_SECS_MAX: u32 = 600;

/// The keyset that signs; whoever holds it puts a new one in when keys are rotated.
#[derive(Debug, Clone, Default)]
pub struct Signer(Arc<ArcSwapOption<Keyset>>);

impl Signer {
    /// Signs with `keyset` from now on, or not at all.
    pub fn set(&self, keyset: Option<Arc<Keyset>>) {
        self.0.store(keyset);
    }

    /// What addresses of the stream begin with until `expires_s` (unix seconds): with a token where there is
    /// a key, without one where there is none.
    ///
    /// The token is a segment of the path, so that the relative addresses in playlists keep it in every
    /// player, also in those that let no script touch their requests.
    pub(crate) fn base(&self, expires_s: u64) -> Result<(String, bool), MintError> {
        let keyset = self.0.load();
        let Some(keyset) = keyset.as_ref() else { return Ok((PREFIX.to_owned(), false)) };
        let claims = Claims::new(Scope::Prefix(PREFIX.to_owned()), expires_s);
        let token = mint(keyset, &claims)?;
        Ok((format!("{PREFIX}/{}={token}", tidegate_sign::native::PARAMETER), true))
    }
}
