//! The answers to what the page asks for.

use base::failure::Fault;
use view::{Done, Pending, Refused};

/// The answer where a row is named that is gone.
pub(super) const NO_SUCH_ROW: &str = "There is no such row; look at the list again";

/// An answer that is there at once.
pub(super) fn ready(result: Result<Done, Refused>) -> Pending<Result<Done, Refused>> {
    Box::pin(std::future::ready(result))
}

/// It worked: one sentence for a person.
pub(super) fn done(message: &str) -> Result<Done, Refused> {
    Ok(Done { message: message.to_owned(), output: String::new() })
}

/// It cannot be done: one sentence for a person, with what to do.
pub(super) fn refused(message: &str) -> Result<Done, Refused> {
    Err(Refused { message: message.to_owned(), details: String::new() })
}

/// A fault as the page shows it.
pub(super) fn failed(fault: Fault) -> Refused {
    Refused { message: fault.what, details: fault.advice.unwrap_or_default() }
}
