//! Who can be recognised, and whether the photos come.

use super::words::{ASK, SUPPORT, attention, broken, idle, told};
use crate::state::{LivenessCheck, Problem, View};
use base::event::WorkerState;

pub(super) fn roster(view: &View, found: &mut Vec<Problem>) {
    if view.roster.students == 0 {
        found.push(nobody(view));
    }
    if view.system.liveness == LivenessCheck::Off {
        found.push(attention(
            "A photo is taken for a person: the liveness check is off.".to_owned(),
            "Set liveness.require in the configuration, unless this is a trial.",
        ));
    }
    if view.system.liveness == LivenessCheck::Blink {
        found.push(attention(
            "Everybody must blink before the camera: the anti-spoof models are missing, and a video may pass for a person."
                .to_owned(),
            "Run fetch_models on this machine, or install an image that has the models.",
        ));
    }
}

/// Why nobody can be recognised, by what is known of the photos.
fn nobody(view: &View) -> Problem {
    let from_server = view.sync.source.contains("://");
    let named = view.sync.listed != Some(0);
    let waits = view.sync.progress.is_some() || (from_server && named && view.roster.unrecognisable == 0);
    if let Some((what, advice)) = sync_trouble(view) {
        return broken(format!("Nobody can be recognised: the photos cannot be fetched ({what})."), &advice);
    }
    if waits {
        return attention(
            "Nobody can be recognised yet: the photos are being fetched and enrolled.".to_owned(),
            "Wait until it is done; its progress stands under “Photos”.",
        );
    }
    if view.roster.unrecognisable > 0 {
        return broken(
            "Nobody can be recognised: none of the photos is usable.".to_owned(),
            "Look under “Photos”, where each has its reason.",
        );
    }
    if from_server {
        return broken(
            "Nobody can be recognised: the photo server names no photos.".to_owned(),
            "Check photos.url in the configuration, and look what the server shows there. Then press “Sync photos now”.",
        );
    }
    broken(
        "Nobody can be recognised: there are no photos.".to_owned(),
        "Put them into the folder that stands under “Photos”, or set photos.url in the configuration.",
    )
}

pub(super) fn photos(view: &View, found: &mut Vec<Problem>) {
    let (sync, roster) = (&view.sync, &view.roster);
    if let Some(removal) = &sync.removal {
        found.push(attention(
            format!("The photo server would remove {} of {} students.", removal.students, removal.of),
            "Nothing was removed. If this is right, confirm it under “Photos”; if not, check the photo server.",
        ));
    }
    // Without anybody enrolled all this stands in the first sentence.
    if roster.students > 0 {
        if let Some((what, advice)) = sync_trouble(view) {
            found.push(attention(
                format!("The photos cannot be synchronised: {what}."),
                &format!("{advice} The photos already here stay in use."),
            ));
        } else if sync.listed == Some(0) {
            found.push(attention(
                "The photo server names no photos any more.".to_owned(),
                "Those already here stay in use. Check photos.url, and look what the server shows there.",
            ));
        } else if sync.failed > 0 {
            found.push(attention(
                format!(
                    "{} of {} photos could not be fetched.",
                    sync.failed,
                    sync.listed.unwrap_or_default()
                ),
                "Each has its reason under “Photos”. They are tried again automatically.",
            ));
        }
        if roster.unrecognisable > 0 {
            let who = match roster.unrecognisable {
                1 => "1 student".to_owned(),
                n => format!("{n} students"),
            };
            found.push(attention(
                format!("{who} cannot be recognised: no photo of theirs is usable."),
                "Look under “Photos”, where each photo has its reason, and have better ones put on the server.",
            ));
        }
    }
}

/// Why photos cannot be had from the server, if they cannot, and what to do.
fn sync_trouble(view: &View) -> Option<(String, String)> {
    // Without photos.url it has stopped, without a reason.
    if let Some((worker, reason)) =
        idle(view, "sync").and_then(|worker| Some((worker, worker.reason.as_ref()?)))
    {
        let otherwise = if worker.state == WorkerState::Held { ASK } else { SUPPORT };
        return Some(told(Some(reason), "", otherwise));
    }
    view.sync.error.as_ref().map(|error| told(Some(error), "", ASK))
}
