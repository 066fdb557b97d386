//! `attendance check-photos`: every photo, whether it enrols, and why not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;

use super::cache_status::CacheStatus;
use config::Config;
use recognition::naming::own::ENOUGH;
use recognition::naming::second::{FirstCurve, Thresholds};
use recognition::naming::threshold::Calibration;
use recognition::roster::enrol::build_from;
use recognition::roster::places::Places;
use recognition::roster::removal::Removal;
use recognition::roster::{PhotoOutcome, PhotoReport, Report, Roster};
use recognition::{Content, Engine};
use vision::face::DetectorChoice;
use vision::photos::{Photos, RollPattern};
use vision::scan::{Listing, scan, scan_plain};

/// Exit code when a person must look at something.
const EXIT_ATTENTION: u8 = 3;

/// Widest name of a photo that stands beside its figures: with it a line fits a terminal of 80 columns.
const MAX_NAME: usize = 25;

/// Arguments of `check-photos`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder of photos instead of the configured one: `<roll>/<file>`, or a plain folder of `<roll>.jpg`.
    /// Nothing is written into it.
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // A folder given by hand needs no configuration file.
    let config = match &arguments.photos {
        Some(_) if !path.exists() => {
            base::logging::start(log::LevelFilter::Warn);
            let mut config = Config::default();
            config.photos.roll_numbers = RollPattern::Identifier;
            config
        }
        _ => super::configured(path)?,
    };
    let (places, listing) = match &arguments.photos {
        Some(folder) => {
            let listing = listed(folder, &config)?;
            (Places { photos: folder.clone(), ..Places::default() }, listing)
        }
        None => {
            let erased = crate::erasing::known(&config).erased();
            let places = Places { erased, ..Places::of(&config.roster()) };
            let listing = places.admit(scan(&places.photos, &config.photos)?, &config.photos);
            (places, listing)
        }
    };
    let mut engine = Engine::load(&config.models_dir(), &config.recognition)?;
    let bar = super::progress_bar("photos");
    let mut looked_at = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        true
    };
    // The appliance decides when a removal is believed; here it is only shown.
    let mut removal = Removal::default();
    if arguments.photos.is_none() {
        removal.look_at_folder(&config.roster());
    }
    let removal = &mut removal;
    let roster = build_from(listing, &places, &config.photos, &mut engine, removal, &mut looked_at)?;
    bar.finish_and_clear();
    let cache = arguments.photos.is_none().then(|| {
        let (images, students) = (roster.report.photos.len(), roster.report.students().len());
        CacheStatus::of(&config, images, students)
    });
    let cache = cache.flatten();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&Told { report: &roster.report, cache })?);
    } else {
        print!("{}{}", cache.map(|cache| cache.text()).unwrap_or_default(), table(&roster.report));
        print!("{}", thresholds(&roster, &config)?);
    }
    Ok(ExitCode::from(if roster.report.needs_attention() { EXIT_ATTENTION } else { 0 }))
}

/// The JSON.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// How old the photos of a server are.
    cache: Option<CacheStatus>,
}

/// The photos of a folder given by hand: as the backend lays them out, or side by side.
fn listed(folder: &Path, config: &Config) -> anyhow::Result<Listing> {
    if !folder.is_dir() {
        bail!("{} is not a folder", folder.display());
    }
    // The folder is laid out as the server is, and not as the mirror of it.
    let by_student = scan(folder, &Photos { url: None, ..config.photos.clone() })?;
    if !by_student.photos.is_empty() {
        return Ok(by_student);
    }
    let plain = scan_plain(folder, config.photos.max_photos)?;
    if !plain.photos.is_empty() {
        return Ok(plain);
    }
    let reasons = by_student.ignored.iter().chain(&plain.ignored);
    let first = reasons.take(3).map(|ignored| format!("\n{}: {}", ignored.path, ignored.reason));
    bail!(
        "no photos in {}: what is expected is <roll>/<file>, or <roll>.jpg side by side{}",
        folder.display(),
        first.collect::<String>()
    );
}

/// The report for a terminal of 80 columns: one line a photo, why it does not enrol below it, then what a
/// person must look at.
fn table(report: &Report) -> String {
    use std::fmt::Write as _;
    let names = report.photos.iter().map(|photo| photo.photo.chars().count());
    let width = names.filter(|name| *name <= MAX_NAME).max().unwrap_or(0).max(5);
    let mut text = format!(
        "{:<width$} {:>9} {:>8} {:>4} {:>5} {:>5} {:>4} {:>5}  enrols\n",
        "photo", "size", "faces", "face", "sharp", "light", "yaw", "pitch"
    );
    for photo in &report.photos {
        line(&mut text, photo, width);
    }
    for folders in &report.folders {
        let what = if folders.is_used() { "understood" } else { "left out" };
        let _ = writeln!(text, "{what}: {}: {}", folders.folder, folders.fault());
    }
    for ignored in &report.ignored {
        let _ = writeln!(text, "left out: {}: {}", ignored.path, ignored.reason);
    }
    for pair in &report.alike {
        let _ = writeln!(
            text,
            "alike: {} and {} (similarity {:.2}): one person under two numbers, or a photo in\n  the wrong folder?",
            pair.one, pair.other, pair.similarity
        );
    }
    for roll in report.unrecognisable() {
        let _ = writeln!(text, "cannot be recognised: {roll} has no usable photo");
    }
    let refused = report.refused().count();
    let enrolled = report.photos.len() - refused;
    let _ = writeln!(
        text,
        "{} photos of {} students, {enrolled} enrolled, {refused} not",
        report.photos.len(),
        report.students().len()
    );
    let found = DETECTORS.map(|(letter, _, name)| format!("{letter} {name}")).join(", ");
    let _ = writeln!(text, "faces by who found them first: {found}");
    text
}

/// The similarity that a match needs, and what follows from it.
fn thresholds(roster: &Roster, config: &Config) -> anyhow::Result<String> {
    let general = Calibration::of(config.recognition.calibration.as_deref(), config.recognition.embedder)?;
    let (faces, fpir) = (roster.gallery.faces(), config.recognition.accepted_fpir);
    let first_curve = FirstCurve::of(&general)?;
    let least =
        Thresholds::of(&roster.gallery, &general, first_curve.as_ref(), config.recognition.threshold, fpir);
    let needed = least.first;
    let mut text =
        format!("a match needs a similarity of {needed:.3} ({faces} photos, accepted FPIR {fpir})\n");
    if let Some(both) = least.both {
        text += &format!(
            "  with SFace; near it both embedders are asked, and a similarity of {both:.3} is needed\n"
        );
    }
    text += &match &roster.report.own {
        Some(own) => format!(
            "of your own students ({} pairs): expected FPIR {:.4}; by the general curve\n  a similarity of {:.3} \
             would do\n",
            own.comparisons,
            own.expected_fpir(faces, least.both.unwrap_or(needed)),
            general.threshold(faces, fpir)
        ),
        None => format!("by the general curve; your own students are measured from {ENOUGH} photos on\n"),
    };
    Ok(text)
}

fn line(text: &mut String, photo: &PhotoReport, width: usize) {
    use std::fmt::Write as _;
    let size = photo.content.as_ref().map_or("-".to_owned(), |it| format!("{}x{}", it.width, it.height));
    // A long name has a line of its own.
    let name = if photo.photo.chars().count() > width {
        let _ = writeln!(text, "{}", photo.photo);
        ""
    } else {
        &photo.photo
    };
    let _ = write!(text, "{name:<width$} {size:>9} {:>8} ", finders(photo.content.as_ref()));
    let _ = match &photo.outcome {
        PhotoOutcome::Enrolled { quality, .. } => writeln!(
            text,
            "{:>4.0} {:>5.0} {:>5.0} {:>3.0}° {:>4.0}°  yes",
            quality.width, quality.sharpness, quality.brightness, quality.yaw, quality.pitch
        ),
        PhotoOutcome::Refused { reason } => {
            writeln!(text, "{:>4} {:>5} {:>5} {:>4} {:>5}  NO\n  {reason}", "-", "-", "-", "-", "-")
        }
    };
}

/// The detectors with their letters in the table.
const DETECTORS: [(char, DetectorChoice, &str); 4] = [
    ('b', DetectorChoice::Blazeface, "blazeface"),
    ('f', DetectorChoice::BlazefaceFullRange, "full range"),
    ('y', DetectorChoice::Yunet, "yunet"),
    ('r', DetectorChoice::Rustface, "rustface"),
];

/// How many faces each detector found that no other had found before: `1b 1y`.
fn finders(content: Option<&Content>) -> String {
    let faces = || content.iter().flat_map(|content| &content.faces);
    let counts = DETECTORS.iter().filter_map(|(letter, choice, _)| {
        let count = faces().filter(|face| face.by == *choice).count();
        (count > 0).then(|| format!("{count}{letter}"))
    });
    let counts: Vec<_> = counts.collect();
    if counts.is_empty() { "-".to_owned() } else { counts.join(" ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base::identity::RollNumber;
    use recognition::roster::layout::{Folders, TakenFor};
    use recognition::{EnrolRefusal, Quality};
    use vision::face::Bounds;

    #[test]
    fn table_fits_a_terminal() {
        let photo = |name: &str, outcome| PhotoReport {
            photo: name.to_owned(),
            roll: RollNumber::parse("2110001").unwrap(),
            content: Some(Content { width: 10_000, height: 8_000, faces: Vec::new() }),
            outcome,
        };
        let quality = Quality {
            width: 4000.0,
            sharpness: 12_345.0,
            brightness: 128.0,
            yaw: -30.0,
            pitch: -28.0,
            roll: 0.0,
        };
        let reason = EnrolRefusal::Turned { yaw: -44.0, pitch: -33.0 }.to_string();
        let report = Report {
            photos: vec![
                photo("2110001/front.jpg", PhotoOutcome::Enrolled { quality, bounds: Bounds::default() }),
                photo(
                    &format!("2110001/{}.jpg", "long".repeat(8)),
                    PhotoOutcome::Refused { reason: reason.clone() },
                ),
            ],
            ..Report::default()
        };
        let text = table(&report);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains(&format!("NO\n  {reason}")) && text.contains("1 enrolled, 1 not"), "{text}");
    }

    #[test]
    fn a_folder_of_several_people_is_named_with_what_to_write() {
        let folders = |taken_for| Folders {
            folder: "2025".to_owned(),
            inside: vec!["2110001".to_owned(), "2110002".to_owned()],
            taken_for,
        };
        let text = |taken_for| table(&Report { folders: vec![folders(taken_for)], ..Report::default() });
        let several = TakenFor::SeveralPeople {
            one: "2110001".to_owned(),
            other: "2110002".to_owned(),
            similarity: 0.03,
        };
        let said = text(several);
        assert!(
            said.contains("left out: 2025: ") && said.contains("photos.layout = \"group/roll\""),
            "{said}"
        );
        assert!(text(TakenFor::OneStudent).contains("understood: 2025: its folders 2110001, 2110002"));
    }

    #[test]
    fn empty_folder_says_what_is_expected() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("no roll number")).unwrap();
        let error = listed(folder.path(), &Config::default()).unwrap_err().to_string();
        assert!(error.contains("<roll>/<file>") && error.contains("is not a roll number"), "{error}");
        std::fs::write(folder.path().join("2110001.jpg"), "x").unwrap();
        assert_eq!(listed(folder.path(), &Config::default()).unwrap().photos.len(), 1);
        assert!(listed(&folder.path().join("nowhere"), &Config::default()).is_err());
    }
}
