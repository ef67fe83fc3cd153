//! Error: why a call failed. A number to switch on and a sentence to show.

use crate::error::{Code, Error, Result};
use safer_ffi::layout::ReprC;
use safer_ffi::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

// SAFETY: `Code` is `repr(u32)`, and it only ever goes out to C: no number that came in is read as one.
unsafe impl ReprC for Code {
    type CLayout = u32;

    fn is_valid(_: &u32) -> bool {
        true
    }
}

/// Why a call failed.
///
/// A failing call that was given an `elanus_error **` leaves one there: free it with elanus_error_free().
#[derive_ReprC(rename = "elanus_error")]
#[repr(opaque)]
pub struct Failure {
    code: Code,
    message: char_p::Box,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.message().replace('\0', "\\0");
        Failure { code: error.code(), message: message.try_into().expect("no NUL is left") }
    }
}

/// Where a call leaves its failure: written only when it fails.
///
/// cbindgen:ignore
pub type ErrorOut<'a> = Option<&'a mut Option<repr_c::Box<Failure>>>;

/// Runs the body of a function that returns a code.
pub(super) fn code(error: ErrorOut<'_>, body: impl FnOnce() -> Result<()>) -> Code {
    caught(error, body).err().unwrap_or(Code::Ok)
}

/// Runs the body of a function that returns something to own, or NULL.
pub(super) fn value<T>(error: ErrorOut<'_>, body: impl FnOnce() -> Result<T>) -> Option<T> {
    caught(error, body).ok()
}

/// Frees a handle; a panic ends here rather than in the caller's frames.
pub(super) fn free<T>(handle: T) {
    // The panic hook has told of it already, and a function that frees has nobody to tell.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(handle)));
}

fn caught<T>(error: ErrorOut<'_>, body: impl FnOnce() -> Result<T>) -> Result<T, Code> {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    outcome.unwrap_or_else(|panic| Err(Error::internal(panic_message(&*panic)))).map_err(|failure| {
        let code = failure.code();
        if let Some(error) = error {
            *error = Some(Box::new(Failure::from(failure)).into());
        }
        code
    })
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without words"))
}

/// Says what kind of failure it is.
///
/// @param error NULL counts as no failure: the answer is ELANUS_CODE_OK.
///
/// Safe beside any call but elanus_error_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_error_code(error: Option<&Failure>) -> Code {
    error.map_or(Code::Ok, |e| e.code)
}

/// Says in a sentence what failed: the value, the field and the allowed range.
///
/// @param error NULL gives NULL.
/// @return A UTF-8 text that lives as long as `error`; do not free it.
///
/// Safe beside any call but elanus_error_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_error_message(error: Option<&Failure>) -> Option<char_p::Ref<'_>> {
    error.map(|e| e.message.as_ref())
}

/// Says whether the same call with the same arguments may succeed later.
///
/// @param error NULL gives false.
///
/// Safe beside any call but elanus_error_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_error_retryable(error: Option<&Failure>) -> bool {
    error.is_some_and(|e| e.code.retryable())
}

/// Frees an error. NULL is fine.
///
/// The error must not be in use by another thread. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_error_free(error: Option<repr_c::Box<Failure>>) {
    free(error)
}
