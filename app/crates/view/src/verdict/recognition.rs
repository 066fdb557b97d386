//! Whether recognition gets pictures, and whether what it sees becomes rows.

use super::words::{SUPPORT, about, attention, broken, idle, next_start, sentence, told};
use crate::state::{Problem, View};
use base::event::WorkerState;

/// After this long without a frame the camera counts as dead; it opens in two or three seconds.
const FRAME_AGE_LIMIT_S: f32 = 10.0;

/// A program younger than this may still be opening its camera.
const START_GRACE_S: u64 = 30;

/// Whether recognition gets pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// They come.
    Coming,
    /// None has come, and the program has only just started.
    NotYet,
    /// They do not come, or nobody looks at them.
    Missing,
}

/// Whether recognition gets pictures. A worker that waits for a camera does its work, and recognises nobody.
pub fn frames(view: &View) -> Frames {
    let starting = view.system.uptime_s < START_GRACE_S;
    let worker = view.workers.iter().find(|worker| worker.name == "recognition");
    let runs = worker.is_some_and(|worker| worker.state == WorkerState::Running);
    match view.camera.last_frame_age_s {
        Some(age) if runs && age <= FRAME_AGE_LIMIT_S => Frames::Coming,
        None if starting => Frames::NotYet,
        _ => Frames::Missing,
    }
}

pub(super) fn recognition(view: &View, found: &mut Vec<Problem>) {
    let starting = view.system.uptime_s < START_GRACE_S;
    if let Some(worker) = idle(view, "recognition") {
        let again = "press “Restart recognition”; if it stops again, send the diagnostics to support";
        let (why, advice) = told(worker.reason.as_ref(), "", again);
        let why = if why.is_empty() { why } else { format!(": {why}") };
        found.push(broken(format!("Recognition is {}{why}.", worker.state), &advice));
        return;
    }
    if let Some(fault) = idle(view, "camera").and_then(|worker| worker.reason.as_ref()) {
        let (what, advice) = told(Some(fault), "", "check both ends of its cable");
        let count = match view.camera.reboots {
            0 => String::new(),
            n => format!(" The device has restarted itself {n} times for it."),
        };
        found.push(broken(format!("{}.{count}", sentence(&what)), &advice));
        return;
    }
    match view.camera.last_frame_age_s {
        Some(age) if age <= FRAME_AGE_LIMIT_S => {}
        None if starting => {
            found.push(attention("The camera is starting.".to_owned(), "Wait half a minute."));
        }
        None => found.push(broken(
            "The camera has not given a picture yet.".to_owned(),
            "Switch the power off, check both ends of the camera’s cable, and switch it on again.",
        )),
        Some(age) => found.push(broken(
            format!("The camera has given no picture for {}.", about(age)),
            "Press “Restart recognition”. If that does not help, check both ends of the camera’s cable.",
        )),
    }
}

/// Without this worker what recognition sees becomes no row, however well all else goes.
pub(super) fn recorder(view: &View, found: &mut Vec<Problem>) {
    let Some(worker) = idle(view, "attendance") else { return };
    let (why, advice) = told(worker.reason.as_ref(), "it gave no reason", SUPPORT);
    found.push(broken(
        format!("No rows are written, for their worker is {}: {why}.", worker.state),
        &format!("{} {advice}", next_start(worker)),
    ));
}
