//! Why a request was turned away.

/// The reason, as logs and metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No accepted format found its token.
    TokenMissing,
    /// A token was there and could not be read.
    TokenMalformed,
    /// No key of that id, or none of the algorithm the token needs.
    KeyUnknown,
    /// The signature is not the one of this token.
    SignatureInvalid,
    /// The token was good once.
    Expired,
    /// The token will be good later.
    NotYetValid,
    /// The token is for another path or host.
    ScopeMismatch,
    /// The token is for another client address.
    ClientMismatch,
    /// The token is for other methods.
    MethodMismatch,
    /// The token is for other countries.
    CountryMismatch,
    /// The token demands something that is not understood here.
    ClaimUnsupported,
    /// The token is from another issuer or for another audience.
    IssuerMismatch,
}

/// A request without a good token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// The reason, for the operator.
    pub reason: Reason,
    /// The format whose token was looked at; empty when there was none.
    pub format: &'static str,
}

impl Reason {
    /// The word of logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenMissing => "token_missing",
            Self::TokenMalformed => "token_malformed",
            Self::KeyUnknown => "key_unknown",
            Self::SignatureInvalid => "signature_invalid",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::ScopeMismatch => "scope_mismatch",
            Self::ClientMismatch => "client_mismatch",
            Self::MethodMismatch => "method_mismatch",
            Self::CountryMismatch => "country_mismatch",
            Self::ClaimUnsupported => "claim_unsupported",
            Self::IssuerMismatch => "issuer_mismatch",
        }
    }

    /// 410 for what was good once (RFC 9110 15.5.11), otherwise 403.
    pub fn status(self) -> u16 {
        if self == Self::Expired { 410 } else { 403 }
    }

    /// What the client is told: whether a new link helps, and no more.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Expired => "this link has expired",
            Self::NotYetValid => "this link is not valid yet",
            Self::TokenMissing => "this address needs a signed link",
            _ => "this link is not valid",
        }
    }

    pub(crate) fn of(self, format: &'static str) -> Denial {
        Denial { reason: self, format }
    }
}

impl Denial {
    /// The status of the answer, 403 or 410.
    pub fn status(self) -> u16 {
        self.reason.status()
    }

    /// What the client is told.
    pub fn detail(self) -> &'static str {
        self.reason.detail()
    }
}
