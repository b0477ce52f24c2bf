//! Lends a request to the store of an instance for the time of one callback.
//!
//! The data of a wasmtime store must be `'static`, a request is borrowed from the connection that
//! serves it. The pointer kept here bridges the two and is the reason why this file may use `unsafe`.
#![allow(unsafe_code, reason = "a borrowed request has to be reachable from 'static store data")]

use std::ptr::NonNull;

use wasmtime::Store;

use crate::{Exchange, state::State};

/// The request that is lent now, if any. Only [`lend`] fills it, and always empties it again.
#[derive(Default)]
pub(crate) struct Loan(Option<NonNull<dyn Exchange>>);

// SAFETY: the pointer is present only while `lend` is on the stack, and then the store that holds it
// is mutably borrowed by that very call: it cannot move to another thread meanwhile. Besides,
// `Exchange: Send`.
unsafe impl Send for Loan {}

impl Loan {
    /// The request, for as long as the store's data is borrowed; so no module can run meanwhile.
    #[inline]
    pub(crate) fn exchange(&mut self) -> Option<&mut dyn Exchange> {
        // SAFETY: `lend` holds the one mutable borrow of the request for as long as the pointer is
        // present, and hands it out nowhere else; the result borrows `self`, so there is one at a time.
        self.0.map(|mut exchange| unsafe { exchange.as_mut() as &mut dyn Exchange })
    }
}

/// Ends the loan also when a panic passes through.
struct Borrower<'s>(&'s mut Store<State>);

impl Drop for Borrower<'_> {
    fn drop(&mut self) {
        self.0.data_mut().loan = Loan(None);
    }
}

/// Runs `callback` while host functions can reach `exchange`.
#[inline]
pub(crate) fn lend<T>(
    store: &mut Store<State>,
    exchange: &mut dyn Exchange,
    callback: impl FnOnce(&mut Store<State>) -> T,
) -> T {
    let pointer: NonNull<dyn Exchange + '_> = NonNull::from(exchange);
    // SAFETY: only the lifetime changes. `Borrower` removes the pointer before this function
    // returns, thus before the borrow that it came from ends.
    let pointer = unsafe {
        std::mem::transmute::<NonNull<dyn Exchange + '_>, NonNull<dyn Exchange>>(pointer)
    };
    let borrower = Borrower(store);
    borrower.0.data_mut().loan = Loan(Some(pointer));
    callback(borrower.0)
}
