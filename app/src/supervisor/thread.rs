//! Work that blocks, on a thread of its own that a worker can wait for.

use tokio::sync::oneshot;

use base::failure::Failure;

/// Runs `work` on a thread of this name and waits for its end without blocking the runtime.
///
/// # Errors
/// What `work` answers; and a [`Failure`] when the thread cannot be started or panics.
pub async fn on_own_thread<F>(name: &str, work: F) -> Result<(), Failure>
where
    F: FnOnce() -> Result<(), Failure> + Send + 'static,
{
    let (done, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Nobody waits any more when the program is about to end.
            let _ = done.send(work());
        })
        .map_err(|error| Failure::restart(format!("cannot start the thread {name}: {error}")))?;
    ended.await.unwrap_or_else(|_| {
        Err(Failure::restart(format!("the thread {name} stopped by a defect in the program")))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn thread_answer_and_panic_arrive() {
        assert_eq!(on_own_thread("good", || Ok(())).await, Ok(()));
        assert_eq!(on_own_thread("bad", || Err(Failure::hold("key"))).await, Err(Failure::hold("key")));
        assert!(on_own_thread("ugly", || panic!("on purpose")).await.is_err());
    }
}
