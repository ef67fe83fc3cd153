//! What comes in from C, checked: pointers, texts, arrays and structures that say their own size.

use crate::error::{Code, Error, Result};
use safer_ffi::prelude::*;
use std::mem::{align_of, size_of};

/// The argument, or the error that it is NULL.
pub(super) fn given<T>(argument: Option<T>, what: &str) -> Result<T> {
    argument.ok_or_else(|| Error::new(Code::MissingParameter, format!("{what} is NULL")))
}

/// A text that must be there.
pub(super) fn text<'a>(argument: Option<char_p::Ref<'a>>, what: &str) -> Result<&'a str> {
    utf8(given(argument, what)?.to_bytes(), what)
}

/// A text that may be NULL for `default`.
pub(super) fn text_or<'a>(
    argument: Option<char_p::Ref<'a>>,
    what: &str,
    default: &'a str,
) -> Result<&'a str> {
    argument.map_or(Ok(default), |s| utf8(s.to_bytes(), what))
}

/// Bytes that must be UTF-8.
pub(super) fn utf8<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str> {
    str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        Error::invalid(format!("{what} is not UTF-8: byte 0x{:02x} at offset {at}", bytes[at]))
    })
}

/// A text for C to own. `impl ToString`, so that JSON values and strings both fit.
pub(super) fn owned_text(text: impl ToString) -> Result<char_p::Box> {
    let text = text.to_string();
    text.try_into().map_err(|_| Error::internal("a text for C has a NUL inside"))
}

/// Writes an output that the caller may not have asked for.
pub(super) fn put<T: Copy>(out: Option<Out<'_, T>>, value: T) {
    if let Some(out) = out {
        out.write(value);
    }
}

/// An array of the caller's: NULL is fine for 0 elements.
///
/// # Safety
///
/// `data` must be NULL or point to `count` elements that nobody writes during `'a`.
pub(super) unsafe fn slice<'a, T>(data: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    let most = isize::MAX as usize / size_of::<T>();
    if count > most {
        return Err(Error::invalid(format!("{what}: {count} elements should be at most {most}")));
    }
    if data.is_null() {
        return Err(Error::new(
            Code::MissingParameter,
            format!("{what} is NULL, but {count} elements are announced"),
        ));
    }
    if !data.is_aligned() {
        let align = align_of::<T>();
        return Err(Error::invalid(format!("{what}: address {data:p} should be a multiple of {align}")));
    }
    // SAFETY: not NULL, aligned, not longer than an object can be; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// An array of texts, none of them NULL.
///
/// # Safety
///
/// `data` must be NULL or point to `count` texts that nobody writes during `'a`.
pub(super) unsafe fn texts<'a>(
    data: *const Option<char_p::Ref<'a>>,
    count: usize,
    what: &str,
) -> Result<Vec<&'a str>> {
    // SAFETY: the same promise.
    let given = unsafe { slice(data, count, what) }?;
    given.iter().enumerate().map(|(i, one)| text(*one, &format!("{what}[{i}]"))).collect()
}

/// The number of elements of `count` rows of `width`, or the error that no memory holds so many.
pub(super) fn elements(count: usize, width: usize, what: &str) -> Result<usize> {
    count.checked_mul(width).filter(|n| *n <= isize::MAX as usize).ok_or_else(|| {
        Error::invalid(format!("{what}: {count} x {width} elements should be at most {}", isize::MAX))
    })
}

/// A structure whose first field is its own size, so that it can grow: a caller compiled against an older header
/// passes a shorter one, whose missing fields take their defaults.
///
/// # Safety
///
/// The type must be `repr(C)`, begin with a `u32` size and be valid for every pattern of bits that its fields'
/// documentation allows C to write, zeros included.
pub(super) unsafe trait Versioned: Copy {
    /// What C calls it.
    const NAME: &'static str;
    /// The sizes it has had, oldest first; the last is that of `Self`.
    const SIZES: &'static [usize];
}

/// No structure is as long as this: a larger size is a number that was never set.
const LONGEST: usize = 4096;

/// Reads a structure by the size it states. `None` for one of nothing but zeros, which means the defaults.
///
/// # Safety
///
/// `data` must point to as many bytes as the structure says, and to at least its first version's.
pub(super) unsafe fn versioned<T: Versioned>(data: *const T, what: &str) -> Result<Option<T>> {
    const { assert!(T::SIZES[T::SIZES.len() - 1] == size_of::<T>()) };
    let (name, first, now) = (T::NAME, T::SIZES[0], size_of::<T>());
    if !data.is_aligned() {
        return Err(Error::invalid(format!(
            "{what}: address {data:p} should be a multiple of {}",
            align_of::<T>()
        )));
    }
    // SAFETY: the size is the first field of every version.
    let size = unsafe { data.cast::<u32>().read() } as usize;
    if size == 0 {
        // SAFETY: the caller promises the first version's bytes.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), first) };
        return match bytes.iter().all(|b| *b == 0) {
            true => Ok(None),
            false => Err(Error::invalid(format!(
                "{what}: size 0 should be sizeof({name}) = {now}; begin with {}_INIT",
                name.to_uppercase()
            ))),
        };
    }
    if !T::SIZES.contains(&size) && !(now..=LONGEST).contains(&size) {
        return Err(Error::invalid(format!(
            "{what}: size {size} should be sizeof({name}), {first} to {LONGEST}"
        )));
    }
    // SAFETY: the caller promises as many bytes as the size says.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
    if bytes[size.min(now)..].iter().any(|b| *b != 0) {
        return Err(Error::invalid(format!(
            "{what}: fields after byte {now} of {size} should be 0: this library does not know them"
        )));
    }
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: both sides have that many bytes, and `T` is valid for what C may write (`Versioned`).
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), value.as_mut_ptr().cast::<u8>(), size.min(now));
        Ok(Some(value.assume_init()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    #[repr(C)]
    struct Grown {
        size: u32,
        first: u32,
        second: u64,
    }

    // SAFETY: `repr(C)`, a u32 size first, numbers only.
    unsafe impl Versioned for Grown {
        const NAME: &'static str = "grown";
        const SIZES: &'static [usize] = &[8, 16];
    }

    fn read(words: &[u32; 8]) -> Result<Option<Grown>> {
        // A u64 of the structure needs its alignment.
        #[repr(C, align(8))]
        struct Aligned([u32; 8]);
        let aligned = Aligned(*words);
        // SAFETY: 32 bytes, and no test states more.
        unsafe { versioned((&raw const aligned).cast::<Grown>(), "options") }
    }

    fn refused(words: [u32; 8]) -> String {
        read(&words).expect_err("a bad size").message().to_owned()
    }

    #[test]
    fn each_version_is_read_by_its_own_size() {
        let old = read(&[8, 5, 9, 9, 9, 9, 9, 9]).unwrap().unwrap();
        assert_eq!(old, Grown { size: 8, first: 5, second: 0 });
        let now = read(&[16, 5, 6, 0, 9, 9, 9, 9]).unwrap().unwrap();
        assert_eq!(now, Grown { size: 16, first: 5, second: 6 });
        let newer = read(&[24, 5, 6, 0, 0, 0, 9, 9]).unwrap().unwrap();
        assert_eq!(newer, Grown { size: 24, first: 5, second: 6 });
        assert_eq!(read(&[0; 8]).unwrap(), None);
    }

    #[test]
    fn sizes_that_no_version_has() {
        assert!(refused([0, 1, 0, 0, 0, 0, 0, 0]).contains("begin with GROWN_INIT"));
        assert!(refused([12, 1, 0, 0, 0, 0, 0, 0]).contains("size 12 should be sizeof(grown)"));
        assert!(refused([5000, 1, 0, 0, 0, 0, 0, 0]).contains("8 to 4096"));
        assert!(refused([24, 1, 0, 0, 0, 1, 0, 0]).contains("should be 0"));
    }

    #[test]
    fn arrays_that_cannot_be() {
        // SAFETY: each is refused or empty before anything is read.
        let failed = |data: *const u64, count| unsafe { slice(data, count, "ids") }.map(<[u64]>::len);
        assert_eq!(failed(std::ptr::null(), 0).unwrap(), 0);
        assert_eq!(failed(std::ptr::null(), 1).unwrap_err().code(), Code::MissingParameter);
        assert_eq!(failed(std::ptr::dangling(), usize::MAX).unwrap_err().code(), Code::InvalidParameter);
        assert!(failed(9 as *const u64, 1).unwrap_err().message().contains("multiple of 8"));
        assert!(elements(usize::MAX, 2, "queries").is_err());
        assert_eq!(elements(3, 4, "queries").unwrap(), 12);
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let mut error = None;
        let code = crate::ffi::error::code(Some(&mut error), || panic!("told to"));
        assert_eq!(code, Code::Internal);
        let error = error.expect("an error");
        assert_eq!(crate::ffi::error::elanus_error_message(Some(&error)).unwrap().to_str(), "panic: told to");
    }
}
