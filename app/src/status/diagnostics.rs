//! `/diagnostics`: what support needs to see, as one `.tar.gz`. Versions, state, configuration without secrets, the log.
//! No faces, no pictures, no rows of attendance: the bundle leaves the site by mail.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::view::{Problem, View};

/// What goes in, read beforehand.
pub(super) struct Parts {
    pub(super) view: View,
    pub(super) problems: Vec<Problem>,
    pub(super) configuration: String,
    pub(super) log: Vec<String>,
    pub(super) certificate: String,
}

/// The bundle. Some hundred kilobytes at most: everything in it is bounded where it comes from.
///
/// # Errors
/// None in practice: it is written to memory.
pub(super) fn bundle(parts: Parts) -> io::Result<Vec<u8>> {
    let Parts { mut view, problems, configuration, log, certificate } = parts;
    let rows_today = view.today.rows.len();
    // Who came when is the site's affair. That rows wait or were refused, and why, is enough for support.
    view.today.rows.clear();
    view.camera.decisions.clear();
    for row in &mut view.upload.needs_person {
        row.name = "(left out)".to_owned();
        row.timestamp.clear();
    }
    let state =
        json!({ "problems": problems, "rows_today": rows_today, "certificate": certificate, "view": view });
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
log.txt             the newest lines of the log; they name roll numbers, and when each was seen: look before you send it

Not in here: photos, pictures of the camera, embeddings, passwords, keys, the list of attendance.
";

fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use super::super::view::{Camera, Decision, RefusedRow, Row, Today, Upload};
    use super::*;

    #[test]
    fn the_bundle_opens_and_names_nobody() {
        let row = Row { name: "2110001".to_owned(), ..Row::default() };
        let refused = RefusedRow {
            name: "2110002".to_owned(),
            reason: "Student not found".to_owned(),
            ..RefusedRow::default()
        };
        let view = View {
            camera: Camera {
                decisions: vec![Decision { what: "Recognised 2110001".to_owned(), ..Decision::default() }],
                ..Camera::default()
            },
            today: Today { rows: vec![row], ..Today::default() },
            upload: Upload { needs_person: vec![refused], ..Upload::default() },
            ..View::default()
        };
        let parts = Parts {
            view,
            problems: Vec::new(),
            configuration: "[site]".to_owned(),
            log: vec!["started".to_owned()],
            certificate: "AB:CD".to_owned(),
        };
        let bundle = bundle(parts).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle.as_slice()));
        let mut all = String::new();
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            names.push(entry.path().unwrap().file_name().unwrap().to_string_lossy().into_owned());
            entry.read_to_string(&mut all).unwrap();
        }
        assert_eq!(names, ["README.txt", "state.json", "configuration.toml", "log.txt"]);
        assert!(
            all.contains("Student not found") && all.contains("started") && all.contains("\"rows_today\": 1")
        );
        assert!(!all.contains("2110001") && !all.contains("2110002"));
    }
}
