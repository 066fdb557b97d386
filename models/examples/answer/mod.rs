//! The protocol between `scripts/bench` and the programs it measures: a question a line, `NAME THREADS RUNS`,
//! and a line back with the shortest time of that many runs in milliseconds, or `none REASON`. Processes that
//! live on and answer one question at a time can be asked in turn, so that whatever else the machine does
//! hits both sides alike.

use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::time::{Duration, Instant};

/// Runs before the first that counts: caches and buffers are filled by then.
const WARM_UP: usize = 2;

/// What to measure.
pub(crate) struct Question<'a> {
    /// Of what.
    pub(crate) name: &'a str,
    /// Threads that may be used.
    pub(crate) threads: usize,
    /// Runs of which the shortest counts, as the one that nothing disturbed.
    pub(crate) runs: usize,
}

impl Question<'_> {
    /// The shortest time of one `run`, milliseconds. One thread is measured in time of the processor, which
    /// on a machine that does nothing else is the time on the wall; several can only be measured by the wall.
    pub(crate) fn shortest<E>(&self, mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
        let begin = Instant::now();
        let now = || match self.threads {
            1 => Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default(),
            _ => begin.elapsed(),
        };
        let mut best = Duration::MAX;
        for number in 0..WARM_UP + self.runs.max(1) {
            let begin = now();
            once(&mut run)?;
            if number >= WARM_UP {
                best = best.min(now() - begin);
            }
        }
        Ok(best.as_secs_f64() * 1e3)
    }
}

/// A function of its own, so that callgrind can be told to count what happens inside it.
#[inline(never)]
fn once<E>(run: &mut impl FnMut() -> Result<(), E>) -> Result<(), E> {
    run()
}

/// Answers every question until the input ends. `measure` gives milliseconds, or why there are none.
pub(crate) fn every_question(
    mut measure: impl FnMut(&Question<'_>) -> Result<f64, String>,
) -> std::io::Result<()> {
    for line in stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
        let question = Question { name, threads: number(), runs: number() };
        let mut out = stdout().lock();
        match measure(&question) {
            Ok(ms) => writeln!(out, "{ms:.6}")?,
            // What follows the first line is a backtrace.
            Err(reason) => writeln!(out, "none {}", reason.lines().next().unwrap_or_default())?,
        }
        out.flush()?;
    }
    Ok(())
}
