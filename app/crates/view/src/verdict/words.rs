//! How a fault is put into sentences.

use crate::state::{Level, Problem, View, Worker};
use base::event::WorkerState;
use base::failure::Fault;

/// What to do about a server's fault that does not say so itself.
pub(super) const ASK: &str = "ask whoever looks after that server";

/// What to do about a fault of our own.
pub(super) const SUPPORT: &str = "if this stays, send the diagnostics to support";

/// The worker of this name, when it does not run.
pub(super) fn idle<'a>(view: &'a View, name: &str) -> Option<&'a Worker> {
    view.workers.iter().find(|worker| worker.name == name && worker.state != WorkerState::Running)
}

/// When a worker that does not run is started again.
pub(super) fn next_start(worker: &Worker) -> &'static str {
    match worker.state {
        WorkerState::Restarting => "The device starts it again automatically.",
        // Its advice says when.
        WorkerState::Held => "",
        _ => "It starts again with the appliance.",
    }
}

/// A time as people say it. The sentence is read aloud whenever it changes, so it must not change with every
/// second.
pub(super) fn about(seconds: f32) -> String {
    let (number, unit) = match seconds as u64 {
        s @ ..60 => (s / 10 * 10, "second"),
        s @ 60..7200 => (s / 60, "minute"),
        s => (s / 3600, "hour"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// What is wrong as the part of a sentence, and what to do as a sentence: `unknown` and `otherwise` where the
/// fault does not say.
pub(super) fn told(fault: Option<&Fault>, unknown: &str, otherwise: &str) -> (String, String) {
    let what = fault.map_or(unknown, |fault| &fault.what);
    let advice = fault.and_then(|fault| fault.advice.as_deref()).unwrap_or(otherwise);
    (plain(what), format!("{}.", sentence(advice)))
}

/// With a capital, and without its full stop.
pub(super) fn sentence(words: &str) -> String {
    let words = plain(words);
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Without its full stop, and without the number that only programmers look up.
fn plain(reason: &str) -> String {
    let (before, after) = reason.split_once(" (os error ").unwrap_or((reason, ""));
    let after = after.split_once(')').map_or("", |(_, after)| after);
    format!("{before}{after}").trim_end_matches(['.', ' ']).to_owned()
}

pub(super) fn broken(what: String, advice: &str) -> Problem {
    Problem { level: Level::Broken, what, advice: advice.to_owned() }
}

pub(super) fn attention(what: String, advice: &str) -> Problem {
    Problem { level: Level::Attention, what, advice: advice.to_owned() }
}
