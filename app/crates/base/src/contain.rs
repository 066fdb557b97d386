//! A panic of foreign code, turned into an error.
//!
//! Photos and recordings come from outside, and some of them hit a bug in a decoder, which then panics. Only
//! this one file may be lost. The thread and the worker must go on, and the log must not get a backtrace for
//! each.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

// Without unwinding a panic ends the program, and nothing here could stop it.
const _: () = assert!(cfg!(panic = "unwind"), "the profile must keep panic = \"unwind\"");

/// Longest message of a panic that is kept: it may quote what it found.
const MAX_MESSAGE: usize = 200;

thread_local! {
    /// Of this thread: nothing, or that its panics are contained, with the last one.
    static CONTAINED: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Work that ended in a panic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Panicked(String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does `work` on this thread; a panic in it becomes an error and is not logged. Panics of other threads, and
/// of this one before and after, go the usual way.
///
/// What `work` had borrowed mutably may be half changed after a panic: do not use it again.
///
/// # Errors
/// [`Panicked`] says what the panic said, and where.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !note(info) {
                usual(info);
            }
        }));
    });
    let outer = CONTAINED.replace(Some("a panic".to_owned()));
    let done = catch_unwind(AssertUnwindSafe(work));
    let said = CONTAINED.replace(outer);
    done.map_err(|_| Panicked(said.unwrap_or_default()))
}

/// Keeps what a panic of a contained thread says; `false` on any other thread.
fn note(info: &PanicHookInfo<'_>) -> bool {
    let noted = CONTAINED.try_with(|contained| {
        let Ok(mut contained) = contained.try_borrow_mut() else { return false };
        let Some(said) = contained.as_mut() else { return false };
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic");
        let text: String = text.chars().take(MAX_MESSAGE).collect();
        *said = match info.location() {
            // The file's name alone: the rest of the path is that of the computer that compiled it.
            Some(at) => {
                let file = Path::new(at.file()).file_name().unwrap_or_default().to_string_lossy();
                format!("{text}, {file}:{}", at.line())
            }
            None => text,
        };
        true
    });
    noted.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn panic_becomes_an_error_with_its_place() {
        assert_eq!(contained(|| 7), Ok(7));
        let said = contained(|| panic!("index {}", 7)).unwrap_err().to_string();
        assert!(said.starts_with("index 7, contain.rs:"), "{said}");
        let nested = contained(|| (contained(|| panic!("inner")).is_err(), 7));
        assert_eq!(nested, Ok((true, 7)));
    }

    #[test]
    fn other_panics_reach_the_hook() {
        // The hook belongs to the whole process: only panics of this test are counted.
        let heard = Arc::new(AtomicUsize::new(0));
        contained(|| ()).unwrap();
        let (usual, count) = (take_hook(), Arc::clone(&heard));
        set_hook(Box::new(move |info| {
            if !note(info) && info.payload().downcast_ref::<&str>() == Some(&"heard") {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }));
        assert!(contained(|| panic!("heard")).is_err());
        assert_eq!(heard.load(Ordering::SeqCst), 0);
        assert!(catch_unwind(|| panic!("heard")).is_err());
        assert!(std::thread::spawn(|| panic!("heard")).join().is_err());
        set_hook(usual);
        assert_eq!(heard.load(Ordering::SeqCst), 2);
    }
}
