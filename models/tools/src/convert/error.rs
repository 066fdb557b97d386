//! Why a source file cannot be converted.

/// Why a source file cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file ends before something that it announces.
    #[error("file is truncated or damaged: {what} needs bytes {start}..{end} of {len}")]
    OutOfBounds {
        /// What was being read.
        what: &'static str,
        /// First byte wanted.
        start: usize,
        /// One past the last byte wanted.
        end: usize,
        /// Bytes there are.
        len: usize,
    },
    /// A number is larger than any sound file needs.
    #[error("{what} is {found}, more than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Size found.
        found: usize,
        /// Size allowed.
        limit: usize,
    },
    /// The file breaks its format's rules.
    #[error("not a valid {format} file: {reason}")]
    Malformed {
        /// Format that was expected.
        format: &'static str,
        /// Rule that is broken.
        reason: String,
    },
    /// The file is sound, but holds something this converter does not do.
    #[error("{format} feature not supported: {what}")]
    Unsupported {
        /// Format of the file.
        format: &'static str,
        /// Feature found.
        what: String,
    },
    /// Two constants have the same name after `/` became `.`.
    #[error("two tensors are called {0:?}")]
    DuplicateName(String),
}
