//! From numbers to one sentence: is all well, and if not, what is worst and what is to be done. Pure.

use time::OffsetDateTime;

use crate::card::Card;
use crate::{Level, LivenessCheck, Problem, View, Worker};
use base::event::WorkerState;
use base::failure::Fault;

/// Without a frame for so long the camera is taken for dead; it opens in two or three seconds.
const FRAME_AGE_LIMIT_S: f32 = 10.0;
/// A program younger than this may still be opening its camera.
const START_GRACE_S: u64 = 30;
/// Below this the journal may soon fail to grow.
const STORAGE_BROKEN: u64 = 100_000_000;
/// Below this somebody should look before it is too late: a thousand rows are a quarter of a megabyte, a
/// photo one or two.
const STORAGE_ATTENTION: u64 = 1_000_000_000;
/// A Pi 5 slows itself down from 80 °C on.
const TEMPERATURE_LIMIT_C: f32 = 80.0;
/// A site's own certificate is not renewed by the device; two weeks are enough to fetch a new one.
const CERTIFICATE_NOTICE: time::Duration = time::Duration::days(14);

/// A certificate that is valid for so long is of no concern.
const FAR_AWAY: time::Duration = time::Duration::days(3650);

/// What to do about a server's fault that does not say so itself.
const ASK: &str = "ask who looks after that server";
/// What to do about a fault of our own.
const SUPPORT: &str = "if this stays, send the diagnostics to support";

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

/// Whether the machine does its work: what `/healthz` answers. An empty roster or a dead network is no fault
/// of it.
pub fn healthy(view: &View) -> bool {
    let mut found = view.problems.clone();
    recognition(view, &mut found);
    recorder(view, &mut found);
    on_memory(view, &mut found);
    storage(view, &mut found);
    found.iter().all(|problem| problem.level < Level::Broken)
}

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

fn recognition(view: &View, found: &mut Vec<Problem>) {
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
fn recorder(view: &View, found: &mut Vec<Problem>) {
    let Some(worker) = idle(view, "attendance") else { return };
    let (why, advice) = told(worker.reason.as_ref(), "it gave no reason", SUPPORT);
    found.push(broken(
        format!("No rows are written, for their worker is {}: {why}.", worker.state),
        &format!("{} {advice}", next_start(worker)),
    ));
}

fn on_memory(view: &View, found: &mut Vec<Problem>) {
    if let Some(on_memory) = &view.on_memory {
        let (what, advice) = told(Some(&on_memory.fault()), "", "replace the card");
        found.push(broken(format!("{}.", sentence(&what)), &advice));
    }
}

fn storage(view: &View, found: &mut Vec<Problem>) {
    if view.today.lost > 0 {
        let rows = match view.today.lost {
            1 => "1 recognition was lost: there is no row of it".to_owned(),
            n => format!("{n} recognitions were lost: there are no rows of them"),
        };
        found.push(attention(
            format!("{rows}."),
            "Rows could not be written for hours. The log says when: enter by hand who came and went then, and check the card.",
        ));
    }
    if let Some(reason) = &view.today.unsaved_reason {
        let (what, advice) = told(Some(reason), "", "check the card");
        let rows = match view.today.unsaved {
            1 => "1 row is in memory only, and is".to_owned(),
            n => format!("{n} rows are in memory only, and are"),
        };
        let delivered = match view.today.unsaved_undelivered {
            0 => String::new(),
            1 => " The backend does not have 1 of them yet.".to_owned(),
            n => format!(" The backend does not have {n} of them yet."),
        };
        found.push(broken(
            format!("Rows cannot be saved: {what}."),
            &format!("Leave the power on: {rows} saved as soon as that works again.{delivered} {advice}"),
        ));
    }
    let Some(free) = view.system.storage_free else { return };
    if free < STORAGE_BROKEN {
        found.push(broken(
            format!("The card is full: {} MB are left.", free / 1_000_000),
            "New rows may soon not be saved. Remove photos from the server that nobody needs, or use a larger card.",
        ));
    } else if free < STORAGE_ATTENTION {
        found.push(attention(
            format!("The card is nearly full: {} MB are left.", free / 1_000_000),
            "Plan for a larger card.",
        ));
    }
}

fn roster(view: &View, found: &mut Vec<Problem>) {
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

fn delivery(view: &View, found: &mut Vec<Problem>) {
    let upload = &view.upload;
    let by_itself = "The device tries again by itself, and nothing is lost.";
    let trouble = match idle(view, "upload") {
        Some(worker) => {
            let why =
                |otherwise| told(worker.reason.as_ref(), "the worker that does it gave no reason", otherwise);
            Some(if worker.state == WorkerState::Held {
                (why(ASK), "“Upload now” tries at once. Nothing is lost.")
            } else {
                (why(SUPPORT), by_itself)
            })
        }
        None => upload.error.as_ref().map(|error| (told(Some(error), "", ASK), by_itself)),
    };
    if let Some(((what, advice), then)) = trouble {
        let waiting = match upload.backlog {
            0 => "No row waits yet".to_owned(),
            1 => "1 row waits".to_owned(),
            n => format!("{n} rows wait"),
        };
        found.push(attention(
            format!("Rows cannot be delivered: {what}. {waiting}."),
            &format!("{advice} {then}"),
        ));
    }
    let void = upload.needs_person.iter().filter(|row| row.void).count();
    if void > 0 {
        found.push(attention(
            format!("The backend may still have rows that were taken away here ({void})."),
            "They stand under “Delivery”. Take each away at the backend, then press “Dismiss”.",
        ));
    }
    let without_day = upload.needs_person.iter().filter(|row| !row.days.is_empty()).count();
    if without_day > 0 {
        found.push(attention(
            format!("Nobody knows on which day rows were seen ({without_day})."),
            "They stand under “Delivery”. Press “Say on which day” beside one: all others of the same time get their day with it.",
        ));
    }
    let refused = upload.needs_person.len() - void - without_day;
    if refused > 0 {
        let (count, verb) = match refused {
            1 => ("1 row was".to_owned(), "it"),
            n => (format!("{n} rows were"), "each"),
        };
        found.push(attention(
            format!("{count} refused by the backend."),
            &format!("Look at the reason beside {verb} under “Delivery”, have it corrected there, then press “Retry”, or “Dismiss” what shall not be delivered."),
        ));
    }
}

fn photos(view: &View, found: &mut Vec<Problem>) {
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
                "Each has its reason under “Photos”. They are tried again by themselves.",
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

/// Keys and faces that cross the network in clear.
fn encryption(view: &View, found: &mut Vec<Problem>) {
    if let Some(fault) = view.card.as_ref().and_then(Card::fault) {
        let (what, advice) = told(Some(&fault), "", SUPPORT);
        found.push(attention(format!("{}.", sentence(&what)), &advice));
    }
    for setting in &view.plain_http {
        let what = match setting.as_str() {
            "webhook.url" => {
                "Attendance is delivered without encryption: others on the network can read the key and the rows, and \
                 acknowledge rows that never arrive"
            }
            _ => {
                "Photos are fetched without encryption: others on the network can read the key and the photos, and put in \
                 photos of their own"
            }
        };
        found.push(attention(
            format!("{what} ({setting} begins with http://)."),
            "Use an address that begins with https://. If this network is meant to be trusted, set tls.allow_plain = true.",
        ));
    }
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

/// The worker of this name, when it does not run.
fn idle<'a>(view: &'a View, name: &str) -> Option<&'a Worker> {
    view.workers.iter().find(|worker| worker.name == name && worker.state != WorkerState::Running)
}

/// When a worker that does not run is started again.
fn next_start(worker: &Worker) -> &'static str {
    match worker.state {
        WorkerState::Restarting => "The device starts it again by itself.",
        // Its advice says when.
        WorkerState::Held => "",
        _ => "It starts again with the appliance.",
    }
}

fn machine(view: &View, found: &mut Vec<Problem>) {
    if let Some(doubt) = &view.system.clock_doubt {
        found.push(attention(
            format!("The clock is in doubt: {doubt}."),
            "Rows are kept, and delivered once the backend’s clock agrees. If the clock is right, confirm it under “System”; if not, check the network’s time server.",
        ));
    } else if !view.system.clock_trusted {
        found.push(attention(
            "The clock is not set yet.".to_owned(),
            "Rows are kept and corrected as soon as a time server answers. Check that the network lets NTP through.",
        ));
    }
    if view.system.lacks_power {
        found.push(attention(
            "The power supply is too weak: its voltage broke down.".to_owned(),
            "Use a supply made for this device (5 V, 5 A) and its own cable.",
        ));
    }
    let hot = view.system.temperature_c.is_some_and(|celsius| celsius >= TEMPERATURE_LIMIT_C);
    if hot || view.system.slowed_by_heat {
        found.push(attention(
            format!("The device is hot: {:.0} °C.", view.system.temperature_c.unwrap_or_default()),
            "It slows down to protect itself. Give it air, or a cooler.",
        ));
    }
}

/// A time as people say it. The sentence is read aloud whenever it changes, so it must not change with every
/// second.
fn about(seconds: f32) -> String {
    let (number, unit) = match seconds as u64 {
        s @ ..60 => (s / 10 * 10, "second"),
        s @ 60..7200 => (s / 60, "minute"),
        s => (s / 3600, "hour"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// What is wrong as the part of a sentence, and what to do as a sentence: `unknown` and `otherwise` where the
/// fault does not say.
fn told(fault: Option<&Fault>, unknown: &str, otherwise: &str) -> (String, String) {
    let what = fault.map_or(unknown, |fault| &fault.what);
    let advice = fault.and_then(|fault| fault.advice.as_deref()).unwrap_or(otherwise);
    (plain(what), format!("{}.", sentence(advice)))
}

/// With a capital, and without its full stop.
fn sentence(words: &str) -> String {
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

fn broken(what: String, advice: &str) -> Problem {
    Problem { level: Level::Broken, what, advice: advice.to_owned() }
}

fn attention(what: String, advice: &str) -> Problem {
    Problem { level: Level::Attention, what, advice: advice.to_owned() }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::on_memory::OnMemory;
    use crate::{Camera, PhotoSync, Removal, RosterCount, System, Upload};

    const NOW: OffsetDateTime = datetime!(2026-11-01 12:00:00 UTC);
    const LATER: OffsetDateTime = datetime!(2027-11-01 12:00:00 UTC);

    fn well() -> View {
        View {
            system: System { uptime_s: 3600, clock_trusted: true, ..System::default() },
            workers: vec![Worker {
                name: "recognition".to_owned(),
                state: WorkerState::Running,
                ..Worker::default()
            }],
            camera: Camera { last_frame_age_s: Some(0.1), ..Camera::default() },
            roster: RosterCount { students: 3, photos: 9, ..RosterCount::default() },
            sync: PhotoSync {
                source: "https://backend.example/media".to_owned(),
                listed: Some(9),
                ..PhotoSync::default()
            },
            ..View::default()
        }
    }

    fn worst(view: &View) -> (Level, String) {
        let first = problems(view, LATER, NOW).into_iter().next();
        first.map_or((Level::Well, String::new()), |p| (p.level, p.what))
    }

    #[test]
    fn nothing_wrong_is_nothing_said() {
        assert_eq!(problems(&well(), LATER, NOW), []);
        assert!(healthy(&well()));
    }

    #[test]
    fn plain_http_is_a_problem_for_as_long_as_it_is_so() {
        let mut view = well();
        view.plain_http = vec!["photos.url".to_owned(), "webhook.url".to_owned()];
        let found = problems(&view, LATER, NOW);
        assert_eq!(found.len(), 2);
        for (problem, setting) in found.iter().zip(&view.plain_http) {
            assert!(
                problem.level == Level::Attention && problem.what.contains(setting.as_str()),
                "{problem:?}"
            );
            assert!(problem.advice.contains("tls.allow_plain"));
        }
        assert!(healthy(&view));
    }

    #[test]
    fn unsaved_rows_that_the_backend_lacks_are_counted() {
        let mut view = well();
        (view.today.unsaved, view.today.unsaved_undelivered) = (3, 2);
        view.today.unsaved_reason = Some("the journal cannot be written".into());
        let advice = problems(&view, LATER, NOW).remove(0).advice;
        assert!(
            advice.contains("3 rows are in memory only") && advice.contains("have 2 of them"),
            "{advice}"
        );
    }

    #[test]
    fn a_start_on_memory_is_a_problem() {
        let mut view = well();
        view.on_memory = Some(OnMemory::parse("state=read-only\ncopy=all\noriginal=kept\n"));
        let (level, what) = worst(&view);
        assert!(level == Level::Broken && what.contains("the card takes no writes"), "{what}");
        assert!(!healthy(&view));
    }

    #[test]
    fn what_stops_attendance_comes_before_what_waits() {
        let mut view = well();
        view.upload = Upload { backlog: 12, error: Some("connection refused.".into()), ..Upload::default() };
        let (level, what) = worst(&view);
        assert!(
            level == Level::Attention
                && what.contains("12 rows wait")
                && what.contains("delivered: connection refused. 12")
        );
        assert!(healthy(&view), "no network is no reason to roll back");
        view.camera.last_frame_age_s = Some(42.0);
        assert_eq!(
            worst(&view),
            (Level::Broken, "The camera has given no picture for 40 seconds.".to_owned())
        );
        assert!(!healthy(&view));
        assert_eq!(problems(&view, LATER, NOW).len(), 2);
    }

    #[test]
    fn a_worker_in_whatever_trouble_is_told_of_and_the_recorder_stops_all_being_well() {
        for name in ["camera", "recognition", "attendance", "roster", "sync", "upload", "update", "page"] {
            for state in [WorkerState::Restarting, WorkerState::Held, WorkerState::Stopped] {
                let mut view = well();
                view.workers.retain(|worker| worker.name != name);
                view.workers.push(Worker {
                    name: name.to_owned(),
                    state,
                    reason: Some("stopped by a defect in the program (task 7 panicked)".into()),
                    restarts: 9,
                });
                let (level, what) = worst(&view);
                assert!(what.to_lowercase().contains("stopped by a defect"), "{name} {state}: {what:?}");
                let works = !["camera", "recognition", "attendance"].contains(&name);
                assert_eq!(level, if works { Level::Attention } else { Level::Broken }, "{name} {state}");
                assert_eq!(healthy(&view), works, "{name} {state}");
            }
        }
        let mut without_photo_server = well();
        without_photo_server.workers.push(Worker {
            name: "sync".to_owned(),
            state: WorkerState::Stopped,
            ..Worker::default()
        });
        assert_eq!(problems(&without_photo_server, LATER, NOW), []);
    }

    /// Names of files and a server's words may hold a semicolon: it says nothing about where the advice
    /// begins.
    #[test]
    fn semicolons_in_a_fault_do_not_become_advice() {
        let mut view = well();
        view.sync.error = Some("none of 9 photos could be had; 2110001/a.jpg: 404".into());
        let problem = problems(&view, LATER, NOW).remove(0);
        assert!(problem.what.contains("could be had; 2110001/a.jpg: 404."), "{problem:?}");
        assert!(problem.advice.starts_with("Ask who looks after that server."), "{problem:?}");
    }

    /// A screen reader reads the sentence whenever it changes.
    #[test]
    fn the_sentence_does_not_change_with_every_second() {
        let said = |age| {
            let mut view = well();
            view.camera.last_frame_age_s = Some(age);
            worst(&view).1
        };
        assert_eq!(said(40.1), said(49.9));
        assert!(said(61.0).contains("for 1 minute.") && said(73.0) == said(61.0));
        assert!(said(7300.0).contains("for 2 hours."));
    }

    #[test]
    fn each_fault_has_its_sentence() {
        type BreakIt = fn(&mut View);
        let cases: [(&str, BreakIt); 22] = [
            ("1 recognition was lost: there is no row", |v| v.today.lost = 1),
            ("12 recognitions were lost: there are no rows", |v| v.today.lost = 12),
            ("Recognition is held: no network file", |v| {
                v.workers[0].state = WorkerState::Held;
                v.workers[0].reason = Some("no network file.".into());
            }),
            ("The camera repeats one picture.", |v| {
                v.workers.push(Worker {
                    name: "camera".to_owned(),
                    state: WorkerState::Restarting,
                    reason: Some(Fault::new("the camera repeats one picture").advise("check the cable")),
                    ..Worker::default()
                });
            }),
            ("The camera is starting", |v| {
                v.system.uptime_s = 5;
                v.camera.last_frame_age_s = None;
            }),
            ("photos are being fetched", |v| v.roster.students = 0),
            ("the photos cannot be fetched (no route)", |v| {
                v.roster.students = 0;
                v.sync.error = Some(Fault::new("no route (os error 113)").advise("check the network"));
            }),
            ("the photo server names no photos.", |v| {
                v.roster.students = 0;
                v.sync.listed = Some(0);
            }),
            ("none of the photos is usable", |v| {
                v.roster = RosterCount { unrecognisable: 2, ..RosterCount::default() };
            }),
            ("names no photos any more", |v| v.sync.listed = Some(0)),
            ("4 of 9 photos could not", |v| v.sync.failed = 4),
            ("2 students cannot be recognised", |v| v.roster.unrecognisable = 2),
            ("Rows cannot be delivered: the webhook refuses the key. No row waits yet.", |v| {
                v.workers.push(Worker {
                    name: "upload".to_owned(),
                    state: WorkerState::Held,
                    reason: Some(Fault::new("the webhook refuses the key").advise("set webhook.key")),
                    ..Worker::default()
                });
            }),
            ("Rows cannot be saved: the journal cannot be written (No space left on device).", |v| {
                v.today.unsaved = 3;
                v.today.unsaved_reason = Some(
                    Fault::new("the journal cannot be written (No space left on device (os error 28))")
                        .advise("free some space"),
                );
            }),
            ("nearly full", |v| {
                v.system.storage_free = Some(900_000_000);
            }),
            ("The card is full", |v| {
                v.system.storage_free = Some(9_000_000);
            }),
            ("remove 7 of 9 students", |v| v.sync.removal = Some(Removal { students: 7, of: 9 })),
            ("clock is not set", |v| v.system.clock_trusted = false),
            ("The clock is in doubt: it was set back by 2 days", |v| {
                v.system.clock_trusted = false;
                v.system.clock_doubt = Some("it was set back by 2 days".to_owned());
            }),
            ("hot: 85", |v| v.system.temperature_c = Some(85.0)),
            ("hot: 70", |v| {
                v.system.temperature_c = Some(70.0);
                v.system.slowed_by_heat = true;
            }),
            ("power supply", |v| v.system.lacks_power = true),
        ];
        for (part, break_it) in cases {
            let mut view = well();
            break_it(&mut view);
            let (_, what) = worst(&view);
            assert!(what.contains(part), "{part:?} is not in {what:?}");
        }
        assert!(problems(&well(), NOW + time::Duration::days(3), NOW)[0].what.contains("3 days"));
    }
}
