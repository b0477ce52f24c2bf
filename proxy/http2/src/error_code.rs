//! Error codes of RST_STREAM and GOAWAY (RFC 9113 7).

use std::fmt;

/// An error code; a code without a name is kept as it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $doc] pub const $name: Self = Self($value);)*

            /// The name of the registry, or `UNKNOWN`.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => stringify!($name),)*
                    _ => "UNKNOWN",
                }
            }
        }
    };
}

codes! {
    NO_ERROR = 0, "Not an error: a graceful end.";
    PROTOCOL_ERROR = 1, "A rule was broken for which there is no code of its own.";
    INTERNAL_ERROR = 2, "A fault of the endpoint itself.";
    FLOW_CONTROL_ERROR = 3, "A window was exceeded.";
    SETTINGS_TIMEOUT = 4, "Settings were not acknowledged in time.";
    STREAM_CLOSED = 5, "A frame for a stream that is half-closed or closed.";
    FRAME_SIZE_ERROR = 6, "A frame of a size that its type does not allow.";
    REFUSED_STREAM = 7, "The request was not looked at and may be sent again.";
    CANCEL = 8, "The stream is no longer wanted.";
    COMPRESSION_ERROR = 9, "The state of field compression is lost.";
    CONNECT_ERROR = 10, "The connection of a CONNECT request broke.";
    ENHANCE_YOUR_CALM = 11, "The peer costs too much.";
    INADEQUATE_SECURITY = 12, "The transport is not secure enough.";
    HTTP_1_1_REQUIRED = 13, "The request needs HTTP/1.1.";
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}
