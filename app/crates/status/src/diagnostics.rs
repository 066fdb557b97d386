//! `/diagnostics`: what support needs to see, as one `.tar.gz`. Versions, state, configuration without
//! secrets, the log. No faces, no pictures, no rows of attendance, and nobody's number: the bundle leaves the
//! site by mail.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::anonymous::Anonymous;
use view::{Problem, Roster, View};

/// What goes in, read beforehand.
pub(super) struct Parts {
    pub(super) view: View,
    pub(super) problems: Vec<Problem>,
    /// Whose numbers must not stand in it.
    pub(super) roster: Roster,
    pub(super) configuration: String,
    /// Without what the program itself knows to name a person ([`view::Source::redacted_log`]).
    pub(super) log: Vec<String>,
    pub(super) certificate: String,
}

/// The bundle. Some hundred kilobytes at most: everything in it is bounded where it comes from.
///
/// # Errors
/// None in practice: it is written to memory.
pub(super) fn bundle(parts: Parts) -> io::Result<Vec<u8>> {
    let Parts { mut view, problems, roster, configuration, log, certificate } = parts;
    let anonymous = Anonymous::knowing(&view, &roster);
    let rows_today = view.today.rows.len();
    // Support need not know who came when: that rows wait or were refused, and why, is enough.
    view.today.rows.clear();
    view.today.corrected.clear();
    view.camera.decisions.clear();
    for row in &mut view.upload.needs_person {
        row.name.clear();
        row.timestamp.clear();
        row.days.clear();
        // Who took it away, and why, is the site's affair, too.
        if row.void {
            row.reason = "taken away here".to_owned();
        }
    }
    for photo in &mut view.roster.refused {
        photo.photo.clear();
        // For anything that is not a photo (for example a folder named after a student) the reason repeats
        // the name.
        if !photo.picture {
            photo.reason.clear();
        }
    }
    let mut state =
        json!({ "problems": problems, "rows_today": rows_today, "certificate": certificate, "view": view });
    anonymous.value(&mut state);
    let log: Vec<_> = log.iter().map(|line| anonymous.text(line)).collect();
    let time = unix_seconds();
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in [
        ("README.txt", README.to_owned()),
        ("state.json", serde_json::to_string_pretty(&state)?),
        ("configuration.toml", configuration),
        ("log.txt", log.join("\n") + "\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(time);
        archive.append_data(&mut header, format!("attendance-diagnostics/{name}"), content.as_bytes())?;
    }
    let mut compressed = archive.into_inner()?;
    compressed.flush()?;
    compressed.finish()
}

const README: &str = "\
Diagnostics of an attendance appliance.

state.json          versions, workers, camera, storage, what is wrong
configuration.toml  the configuration in use; secrets read [hidden]
log.txt             the newest lines of the log, without those that say who was seen or recorded

Roll numbers, paths of photos and names of folders are left out wherever they are known, and so is every number of five digits or more.
Not in here: photos, pictures of the camera, embeddings, passwords, keys, the list of attendance.
";

fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use super::*;
    use base::event::{Bus, Event, Life, WorkerState, narrate};
    use base::failure::Fault;
    use base::identity::RollNumber;
    use proptest::prelude::*;
    use tokio_util::sync::CancellationToken;
    use view::{Camera, Decision, RefusedPhoto, RefusedRow, RosterCount, Row, Student, Today, Upload};

    /// The names of the bundle's files, and all that stands in them.
    fn opened(parts: Parts) -> (Vec<String>, String) {
        let bundle = bundle(parts).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle.as_slice()));
        let (mut names, mut all) = (Vec::new(), String::new());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            names.push(entry.path().unwrap().file_name().unwrap().to_string_lossy().into_owned());
            entry.read_to_string(&mut all).unwrap();
        }
        (names, all)
    }

    /// A bundle of the log alone: nobody is on the roster, so only what the records say of themselves counts.
    fn logged() -> String {
        let parts = Parts {
            view: View::default(),
            problems: Vec::new(),
            roster: Roster::default(),
            configuration: String::new(),
            log: base::logging::recent_redacted(usize::MAX),
            certificate: String::new(),
        };
        opened(parts).1
    }

    /// Sends every event that names somebody through the real log. No roll number here has five digits.
    #[tokio::test]
    async fn events_name_nobody_in_the_bundle() {
        base::logging::start(log::LevelFilter::Trace);
        let roll = || RollNumber::parse("CS-18").unwrap();
        let seen = "2026-11-22 09:31:08".to_owned();
        let fault = || Fault::new("none could be had; CS-18/Meera.jpg: 404").naming("CS-18/Meera.jpg");
        let bus = Bus::default();
        let heard = bus.subscribe();
        for event in [
            Event::Recorded { roll: roll(), status: "IN".to_owned(), timestamp: seen },
            Event::NotRecorded {
                roll: roll(),
                reason: "OUT 09:31:08 was sent already".to_owned(),
                again: false,
            },
            Event::OutOpen {
                roll: roll(),
                timestamp: "09:31:08".to_owned(),
                until: "it is sent at 09:31:08".to_owned(),
            },
            Event::Corrected {
                roll: roll(),
                what: "changed",
                status: "IN".to_owned(),
                timestamp: "2026-11-22 09:31:08".to_owned(),
                was: Some("2026-11-22 09:31:07".to_owned()),
                by: "Meera (office)".to_owned(),
                reason: "CS-18 forgot".to_owned(),
            },
            Event::NotSaved { roll: roll(), reason: "09:31:08".to_owned() },
            Event::Recognised {
                track: 93_107,
                roll: roll(),
                similarity: 0.7,
                margin: 0.3,
                votes: 7,
                threshold: 0.4,
                frames: 9,
                liveness: "09:31:08".to_owned(),
                life: Life::Recordable,
            },
            Event::AttackRefused { track: 3, roll: roll(), reason: "looks like CS-18; flat 4711".to_owned() },
            Event::PhotoRefused { photo: "CS-18/Meera.jpg".to_owned(), reason: "no face 4712".to_owned() },
            Event::SyncFailed { reason: fault(), retry_in_s: 4713 },
            Event::DeliveryFailed { reason: fault(), retry_in_s: 4714 },
            Event::Worker { name: "sync", state: WorkerState::Held, reason: Some(fault()) },
        ] {
            bus.publish(event);
        }
        drop(bus);
        narrate(heard, CancellationToken::new()).await;
        let all = logged();
        for somebody in ["CS-18", "Meera", "09:31:08"] {
            assert!(!all.contains(somebody), "{somebody} is in {all}");
        }
        for kept in [
            "looks like (left out); flat 4711",
            "Photo (left out) is not enrolled: no face 4712",
            "(left out): 404; next try in 4713 s",
            "(left out): 404; kept, next try in 4714 s",
        ] {
            assert!(all.contains(kept), "{kept:?} is not in {all}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever the words round a name are, and however it is written.
        #[test]
        fn a_log_line_of_any_wording_names_nobody_in_the_bundle(before in ".{0,40}", after in ".{0,40}") {
            base::logging::start(log::LevelFilter::Trace);
            let photo = "CS-19/Devi Ahuja.png";
            for text in [
                format!("{before}{photo}{after}"),
                format!("{before}{photo:?}{after}"),
                format!("{before} https://b.example/CS-19/Devi%20Ahuja.png {after}"),
                format!("{before} CS-19 {after}"),
            ] {
                log::warn!(personal:% = photo; "{text}");
            }
            let all = logged();
            for somebody in ["CS-19", "Devi", "Ahuja"] {
                prop_assert!(!all.contains(somebody), "{} is in {}", somebody, all);
            }
        }
    }

    #[test]
    fn the_bundle_opens_and_names_nobody() {
        let row = Row { name: "2110001".to_owned(), ..Row::default() };
        let refused = RefusedRow {
            id: "17".to_owned(),
            name: "2110002".to_owned(),
            reason: "Student not found: 2110002 (nor 2110003)".to_owned(),
            timestamp: "2026-11-21 09:02:10".to_owned(),
            ..RefusedRow::default()
        };
        let taken_away = RefusedRow {
            reason: "taken away here (Meera Rao (office): told us)".to_owned(),
            void: true,
            ..refused.clone()
        };
        let photo = RefusedPhoto {
            accepted_by: None,
            photo: "2110004/Asha Rao.jpg".to_owned(),
            reason: "looks like CS-17/Ravi.png; take another".to_owned(),
            picture: true,
        };
        let folder = RefusedPhoto {
            accepted_by: None,
            photo: "Asha Rao".to_owned(),
            reason: RollNumber::parse("Asha Rao").unwrap_err().to_string(),
            picture: false,
        };
        let roster = Roster {
            students: vec![Student { name: "CS-17".to_owned(), photos: vec!["CS-17/Ravi.png".to_owned()] }],
            refused: vec![photo.clone(), folder.clone()],
        };
        let view = View {
            camera: Camera {
                decisions: vec![Decision { what: "Recognised 2110001".to_owned(), ..Decision::default() }],
                ..Camera::default()
            },
            today: Today { rows: vec![row], ..Today::default() },
            upload: Upload { needs_person: vec![refused, taken_away], ..Upload::default() },
            roster: RosterCount { refused: vec![photo, folder], ..RosterCount::default() },
            ..View::default()
        };
        let log = vec![
            "2026-11-22T04:01:00Z attendance 1.3.0+20261118.1610.9b3e01c starts".to_owned(),
            "2026-11-22T04:01:09Z WARN: photo CS-17/Ravi.png: the server says 404".to_owned(),
            "2026-11-22T04:01:10Z WARN: cannot read the photo folder /photos/Asha Rao: denied".to_owned(),
        ];
        let parts = Parts {
            view,
            problems: Vec::new(),
            roster,
            configuration: "[site]".to_owned(),
            log,
            certificate: "AB:CD".to_owned(),
        };
        let (names, all) = opened(parts);
        assert_eq!(names, ["README.txt", "state.json", "configuration.toml", "log.txt"]);
        for kept in [
            "Student not found: (left out)",
            "1.3.0+20261118.1610.9b3e01c starts",
            "\"rows_today\": 1",
            "looks like (left out); take another",
            "photo (left out): the server says 404",
            "the photo folder /photos/(left out): denied",
        ] {
            assert!(all.contains(kept), "{kept:?} is not in {all}");
        }
        for somebody in
            ["2110001", "2110002", "2110003", "2110004", "CS-17", "Asha", "Ravi", "Meera", "Rao", "09:02:10"]
        {
            assert!(!all.contains(somebody), "{somebody} is in {all}");
        }
    }
}
