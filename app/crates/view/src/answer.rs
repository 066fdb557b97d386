//! What is answered to somebody who asked for an action.

use std::future::Future;
use std::pin::Pin;

/// An answer that comes later.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An action that worked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// One sentence for a person: "12 photos are new, 988 as they were".
    pub message: String,
    /// More lines, for who wants them; may be empty.
    pub output: String,
}

/// Something that could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// One sentence: what went wrong and what to do.
    pub message: String,
    /// More for the technician, without secrets; may be empty.
    pub details: String,
}
