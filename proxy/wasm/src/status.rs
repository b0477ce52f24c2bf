//! Answers of host functions.

/// Status codes of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    InvalidMemory = 6,
    Empty = 7,
    CasMismatch = 8,
    InternalFailure = 10,
}

/// Why a host function ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The module is told.
    Told(Status),
    /// The module trapped inside a function that the host called (its allocator), or must end.
    Trap(wasmtime::Error),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Told(status)
    }
}

/// What a host function gives back.
pub(crate) type Told = Result<(), Stop>;

/// Turns it into what wasmtime wants.
#[inline]
pub(crate) fn tell(told: Told) -> wasmtime::Result<u32> {
    match told {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Stop::Told(status)) => Ok(status as u32),
        Err(Stop::Trap(error)) => Err(error),
    }
}
