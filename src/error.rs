//! What can go wrong: a number that C sees and a sentence that a person reads.

use std::fmt;
use std::io;

/// The outcome of a call. Zero is success; the numbers are Milvus 2.3's where Milvus has one.
///
/// The numbers are for ever: a retired one stays here as a comment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Code {
    /// The call succeeded.
    Ok = 0,
    /// The memory limit of the database does not allow it.
    MemoryLimit = 3,
    /// The engine failed in a way it did not expect; please report it.
    Internal = 5,
    /// This version of the engine does not do that.
    Unimplemented = 10,
    /// No collection has that name.
    CollectionNotFound = 100,
    /// The collection was released; load it before searching.
    CollectionNotLoaded = 101,
    /// The collection has no partition of that name.
    PartitionNotFound = 200,
    /// The partition was released; load it before searching.
    PartitionNotLoaded = 201,
    /// No index has that name, or the field has none.
    IndexNotFound = 700,
    /// The index type is unknown, or does not work in this version or for this field.
    IndexTypeNotSupported = 701,
    /// The field has another index already.
    IndexDuplicate = 702,
    /// The file system refused an operation.
    Io = 1001,
    /// An argument is outside its range; the message names the value and the range.
    InvalidParameter = 1100,
    /// A required argument is absent.
    MissingParameter = 1101,
    /// There is no alias of that name.
    AliasNotFound = 1600,
    /// An alias and a collection cannot have the same name.
    AliasCollectionNameConflict = 1601,
    /// The alias is one of another collection.
    AliasAlreadyExists = 1602,
    /// The collection has no field of that name.
    FieldNotFound = 1700,
    /// The caller's progress callback asked to stop.
    Canceled = 10000,
    /// The time the caller allowed is over.
    Timeout = 10001,
    // 20000 on: what a server does not know and an embedded engine must say.
    /// Another process has the database open for writing; the message names its pid.
    Locked = 20000,
    /// A file's bytes are not what was written; nothing was read from them.
    Corrupt = 20001,
    /// The files were written by a newer version than this one reads.
    FormatTooNew = 20002,
    /// The database was opened read-only.
    ReadOnly = 20003,
    /// The database was closed, or the collection was dropped, after this handle was made.
    Closed = 20004,
    /// The disk, or the quota, is full; nothing was changed.
    DiskFull = 20005,
    /// An earlier write failed half way: reopen the database to go on.
    Poisoned = 20006,
    /// A collection of that name exists already.
    CollectionExists = 20007,
}

impl Code {
    /// Whether the same call may succeed later without a change of its arguments.
    pub fn retryable(self) -> bool {
        matches!(self, Code::MemoryLimit | Code::Timeout | Code::Canceled | Code::Locked | Code::DiskFull)
    }
}

/// A failure: its code, a sentence with the value and the allowed range, and the cause.
#[derive(Debug)]
pub struct Error {
    code: Code,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into(), source: None }
    }

    /// An argument outside its range.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameter, message)
    }

    /// A file whose bytes are not what was written.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Code::Corrupt, message)
    }

    /// A bug of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// A failed file operation, named by what was tried (`"cannot write /db/wal"`).
    pub fn io(what: impl fmt::Display, cause: io::Error) -> Self {
        let code = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem => Code::ReadOnly,
            _ => Code::Io,
        };
        Error { code, message: format!("{what}: {cause}"), source: Some(Box::new(cause)) }
    }

    pub fn code(&self) -> Code {
        self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// Puts what was being done before the message.
    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// A copy without the cause, for a failure that several callers are told of.
    pub fn repeat(&self) -> Self {
        Self::new(self.code, self.message.clone())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}
