//! Keeps the workers running.
//!
//! Duties: start every worker; restart the one that ends or panics, with growing, jittered delay; hold the
//! one that most likely cannot work until somebody does something (a refused key), say why, and try it again
//! seldom; stop all in order within a deadline; tell systemd's watchdog that the frame path moves.
//!
//! Dangers: a worker that ignores its stop token costs the whole deadline, so every wait in a worker selects
//! on it. A worker that fails at once and forever must not burn the processor or fill the log: hence the
//! growing delay.

mod board;
mod thread;
mod watchdog;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use base::backoff::{Backoff, Seldom};
use base::event::{Bus, Event, WorkerState as State};
use base::failure::{Disposition, Failure, Fault};

pub use board::{Board, WorkerView};
pub use thread::on_own_thread;
pub use watchdog::pet_while;

/// A worker that ran this long before it failed starts with the shortest delay again.
const STEADY_AFTER: Duration = Duration::from_secs(300);

/// The workers of one program run, in the order in which they are stopped.
#[derive(Debug)]
pub struct Supervisor {
    board: Arc<Board>,
    bus: Bus,
    workers: Vec<(&'static str, CancellationToken, JoinHandle<()>)>,
}

impl Supervisor {
    /// A supervisor without workers, which tells `bus` what happens to them.
    pub fn new(bus: Bus) -> Self {
        Self { board: Arc::default(), bus, workers: Vec::new() }
    }

    /// Where the workers' states can be read and restarts asked for.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Starts a worker. `work` is called again for every restart with a token that asks it to stop; it ends
    /// with `Ok` only when it was asked to or when its work is done for good.
    ///
    /// Must be called within a tokio runtime.
    pub fn start<Work, Running>(&mut self, name: &'static str, work: Work)
    where
        Work: Fn(CancellationToken) -> Running + Send + 'static,
        Running: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.start_with(name, Backoff::default(), work);
    }

    /// The same with delays of its own between a failure and the next start.
    pub fn start_with<Work, Running>(&mut self, name: &'static str, delays: Backoff, work: Work)
    where
        Work: Fn(CancellationToken) -> Running + Send + 'static,
        Running: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let board = Arc::clone(&self.board);
        board.enter(name);
        let watch = Watch { name, board, bus: self.bus.clone(), stop: stop.clone(), delays };
        self.workers.push((name, stop, tokio::spawn(watch.keep_running(work))));
    }

    /// Stops the workers one after the other, in the order they were started, within `deadline` in all. A
    /// worker that does not stop in time is named in the log and left to the end of the process.
    pub async fn stop(self, deadline: Duration) {
        let until = tokio::time::Instant::now() + deadline;
        for (name, stop, handle) in self.workers {
            stop.cancel();
            if tokio::time::timeout_at(until, handle).await.is_err() {
                log::warn!("{name} did not stop within {deadline:?}");
            }
        }
    }
}

/// How one run of a worker ended.
enum Ended {
    AsItShould,
    ToBeStartedAgain,
    Failed(Failure),
}

/// One worker's guard.
struct Watch {
    name: &'static str,
    board: Arc<Board>,
    bus: Bus,
    stop: CancellationToken,
    delays: Backoff,
}

impl Watch {
    async fn keep_running<Work, Running>(self, work: Work)
    where
        Work: Fn(CancellationToken) -> Running,
        Running: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let mut backoff = self.delays.clone();
        let mut seldom = Seldom::default();
        while !self.stop.is_cancelled() {
            self.show(State::Running, None);
            let started = Instant::now();
            let stop = self.stop.child_token();
            let failure = match self.run_once(stop.clone(), work(stop)).await {
                Ended::AsItShould => break,
                Ended::ToBeStartedAgain => {
                    backoff = self.delays.clone();
                    continue;
                }
                Ended::Failed(failure) => failure,
            };
            if started.elapsed() >= STEADY_AFTER {
                backoff = self.delays.clone();
                seldom = Seldom::default();
            }
            let wake = self.board.restart_asked(self.name);
            match failure.disposition {
                Disposition::Restart => {
                    let delay = backoff.next_delay();
                    log::warn!(
                        "{} failed: {}; starting it again in {:.0?}",
                        self.name,
                        failure.reason,
                        delay
                    );
                    self.show(State::Restarting, Some(failure.reason));
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = wake => {}
                        () = self.stop.cancelled() => {}
                    }
                }
                Disposition::Hold => {
                    let delay = seldom.next_delay();
                    let reason = tried_again_in(failure.reason, delay);
                    log::error!("{} is held: {reason}", self.name);
                    self.show(State::Held, Some(reason));
                    tokio::select! {
                        () = wake => {
                            backoff = self.delays.clone();
                            seldom = Seldom::default();
                        }
                        () = tokio::time::sleep(delay) => {}
                        () = self.stop.cancelled() => {}
                    }
                }
            }
        }
        self.show(State::Stopped, None);
    }

    /// Runs the worker until it ends, or until a technician wants it started again.
    async fn run_once(
        &self,
        stop: CancellationToken,
        work: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) -> Ended {
        let wake = self.board.restart_asked(self.name);
        let mut running = tokio::spawn(work);
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = wake => {
                log::info!("{} is restarted, as asked", self.name);
                stop.cancel();
                // Whatever it says at its end: a worker that is to be restarted has not failed.
                let _ = running.await;
                return Ended::ToBeStartedAgain;
            }
        };
        match ended {
            Ok(Ok(())) => Ended::AsItShould,
            Ok(Err(_)) if self.stop.is_cancelled() => Ended::AsItShould,
            Ok(Err(failure)) => Ended::Failed(failure),
            Err(panic) => Ended::Failed(Failure::restart(panic)),
        }
    }

    fn show(&self, state: State, reason: Option<Fault>) {
        self.board.set(self.name, state, reason.clone());
        self.bus.publish(Event::Worker { name: self.name, state, reason });
    }
}

/// A fault of held work, which says when it is tried again.
fn tried_again_in(reason: Fault, delay: Duration) -> Fault {
    let minutes = delay.as_secs().div_ceil(60);
    let again = format!("it is tried again automatically in {minutes} minutes");
    let advice = match &reason.advice {
        Some(advice) => format!("{advice}; {again}"),
        None => again,
    };
    reason.advise(advice)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counted() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let runs = Arc::new(AtomicUsize::new(0));
        (Arc::clone(&runs), runs)
    }

    #[tokio::test(start_paused = true)]
    async fn failed_worker_restarts_with_growing_delay() {
        let (inside, runs) = counted();
        let mut supervisor = Supervisor::new(Bus::default());
        supervisor.start("failing", move |_| {
            let run = inside.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(!run.is_multiple_of(2), "a defect");
                Err(Failure::restart("the network is down"))
            }
        });
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let in_first_hour = runs.load(Ordering::SeqCst);
        assert!((10..60).contains(&in_first_hour), "{in_first_hour} starts");
        supervisor.stop(Duration::from_secs(10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn held_work_is_tried_again_by_itself_seldom_and_says_why() {
        let (inside, runs) = counted();
        let bus = Bus::default();
        let mut supervisor = Supervisor::new(bus);
        supervisor.start("upload", move |_| {
            inside.fetch_add(1, Ordering::SeqCst);
            async { Err(Failure::hold("the webhook refused the key")) }
        });
        let board = supervisor.board();
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1, "not at once");
        let view = board.views().into_iter().find(|view| view.name == "upload").unwrap();
        assert_eq!(view.state, State::Held);
        let reason = view.reason.unwrap();
        assert_eq!(reason.what, "the webhook refused the key");
        assert!(
            reason.advice.as_ref().unwrap().contains("tried again automatically in 5 minutes"),
            "{reason}"
        );
        // A technician need not wait, and the delays begin again.
        board.ask_restart("upload");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        for (seconds, expected) in [(300, 3), (600, 4), (1800, 5)] {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            assert_eq!(runs.load(Ordering::SeqCst), expected);
        }
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        let in_the_day = runs.load(Ordering::SeqCst) - 5;
        assert!((23..=27).contains(&in_the_day), "hourly: {in_the_day}");
        supervisor.stop(Duration::from_secs(10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn workers_stop_in_order_within_the_deadline() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut supervisor = Supervisor::new(Bus::default());
        for name in ["camera", "attendance"] {
            let order = Arc::clone(&order);
            supervisor.start(name, move |stop| {
                let order = Arc::clone(&order);
                async move {
                    stop.cancelled().await;
                    order.lock().unwrap().push(name);
                    Ok(())
                }
            });
        }
        supervisor.start("deaf", |_| std::future::pending());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = tokio::time::Instant::now();
        supervisor.stop(Duration::from_secs(10)).await;
        assert_eq!(*order.lock().unwrap(), ["camera", "attendance"]);
        assert!(begun.elapsed() <= Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn manual_restart_keeps_the_delays() {
        let (inside, runs) = counted();
        let mut supervisor = Supervisor::new(Bus::default());
        let delays = Backoff::between(Duration::from_secs(1), Duration::from_secs(2));
        supervisor.start_with("camera", delays, move |stop| {
            let first = inside.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    stop.cancelled().await;
                }
                Err(Failure::restart("no camera"))
            }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(supervisor.board().ask_restart("camera"));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(runs.load(Ordering::SeqCst) >= 1800, "{} starts in an hour", runs.load(Ordering::SeqCst));
        supervisor.stop(Duration::from_secs(10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn restart_of_a_running_worker_is_no_failure() {
        let (inside, runs) = counted();
        let bus = Bus::default();
        let mut told = bus.subscribe();
        let mut supervisor = Supervisor::new(bus);
        supervisor.start("recognition", move |stop| {
            inside.fetch_add(1, Ordering::SeqCst);
            async move {
                stop.cancelled().await;
                Ok(())
            }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(supervisor.board().ask_restart("recognition"));
        assert!(!supervisor.board().ask_restart("nobody"));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2, "it does not wait as one that failed");
        while let Ok(event) = told.try_recv() {
            assert!(matches!(event, Event::Worker { state: State::Running, reason: None, .. }), "{event}");
        }
        supervisor.stop(Duration::from_secs(10)).await;
    }
}
