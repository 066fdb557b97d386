//! From numbers to one sentence: is all well, and if not, what is worst and what is to be done. Pure.

mod delivery;
mod device;
mod photos;
mod recognition;
mod words;

use time::OffsetDateTime;

use self::delivery::{delivery, encryption};
use self::device::{machine, on_memory, storage};
use self::photos::{photos, roster};
pub use self::recognition::{Frames, frames};
use self::recognition::{recognition, recorder};
use self::words::{attention, idle, next_start, told};
use crate::state::{Level, Problem, View};
use base::event::WorkerState;

/// A site's own certificate is not renewed by the device; two weeks are enough to fetch a new one.
const CERTIFICATE_NOTICE: time::Duration = time::Duration::days(14);

/// A certificate that is valid for so long is of no concern.
const FAR_AWAY: time::Duration = time::Duration::days(3650);

/// Workers whose troubles have sentences of their own.
const TOLD_ABOVE: [&str; 5] = ["camera", "recognition", "attendance", "upload", "sync"];

/// Whether somebody must act before attendance is taken or kept again: what the door asks for the staff for.
pub fn needs_staff(view: &View) -> bool {
    // Far away: the page's certificate is nothing that the person at the door can do something about.
    let judged = problems(view, OffsetDateTime::UNIX_EPOCH + FAR_AWAY, OffsetDateTime::UNIX_EPOCH);
    judged.iter().any(|problem| problem.level == Level::Broken)
}

/// Makes the state say in each field what [`problems`] says: a worker that has given up is a delivery, or a
/// synchronisation, that fails.
pub fn agree(view: &mut View) {
    let reason = |view: &View, name| idle(view, name).and_then(|worker| worker.reason.clone());
    if view.upload.error.is_none() {
        view.upload.error = reason(view, "upload");
    }
    if view.sync.error.is_none() {
        view.sync.error = reason(view, "sync");
    }
}

/// Everything that is wrong, the worst first; empty when all is well.
pub fn problems(view: &View, certificate_expires: OffsetDateTime, now: OffsetDateTime) -> Vec<Problem> {
    let mut found = view.problems.clone();
    recognition(view, &mut found);
    recorder(view, &mut found);
    on_memory(view, &mut found);
    storage(view, &mut found);
    roster(view, &mut found);
    delivery(view, &mut found);
    photos(view, &mut found);
    encryption(view, &mut found);
    workers(view, &mut found);
    machine(view, &mut found);
    if view.system.clock_trusted && certificate_expires - now < CERTIFICATE_NOTICE {
        let days = (certificate_expires - now).whole_days().max(0);
        found.push(attention(
            format!("The page’s certificate ends in {days} days."),
            "Install a new one (page.certificate_file), or remove it from the configuration to use the device’s own.",
        ));
    }
    // Stable: among equals the order above, in which what stops attendance stands first.
    found.sort_by_key(|problem| std::cmp::Reverse(problem.level));
    found
}

/// Whether the machine does its work: what `/healthz` answers. An empty roster or a dead network is not a
/// fault of it.
pub fn healthy(view: &View) -> bool {
    let mut found = view.problems.clone();
    recognition(view, &mut found);
    recorder(view, &mut found);
    on_memory(view, &mut found);
    storage(view, &mut found);
    found.iter().all(|problem| problem.level < Level::Broken)
}

/// Every worker that does not run and was not spoken of yet.
fn workers(view: &View, found: &mut Vec<Problem>) {
    let others = view.workers.iter().filter(|worker| !TOLD_ABOVE.contains(&&*worker.name));
    for worker in others.filter(|worker| worker.state != WorkerState::Running) {
        let (why, advice) = told(worker.reason.as_ref(), "it gave no reason", "look into the log below");
        found.push(attention(
            format!("The worker “{}” is {}: {why}.", worker.name, worker.state),
            &format!("{advice} {}", next_start(worker)),
        ));
    }
}

#[cfg(test)]
mod tests;
