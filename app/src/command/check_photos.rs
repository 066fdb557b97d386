//! `attendance check-photos`: every photo, whether it enrols, and why not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::Config;
use crate::recognition::{Content, Engine};
use crate::roster::enrol::{Places, build};
use crate::roster::{Outcome, Report};

/// Exit code when a person must look at something.
const EXIT_ATTENTION: u8 = 3;

/// Arguments of `check-photos`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder of photos, `<roll>/<file>`, instead of the configured one.
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
            crate::logging::start(log::LevelFilter::Warn);
            Config::default()
        }
        _ => super::configured(path)?,
    };
    let mut places = Places::of(&config);
    if let Some(photos) = &arguments.photos {
        // The cache of another folder's photos is not this one's business.
        places.cache = photos.join(".embeddings.safetensors");
        places.photos = photos.clone();
    }
    let mut engine = Engine::load(&config.models_dir(), &config.recognition)?;
    let bar = super::progress_bar("photos");
    let roster = build(&places, &config.photos, &mut engine, &mut |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        true
    })?;
    bar.finish_and_clear();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&roster.report)?);
    } else {
        print!("{}", table(&roster.report));
    }
    Ok(ExitCode::from(if roster.report.needs_attention() { EXIT_ATTENTION } else { 0 }))
}

/// The report for a terminal: one line a photo, then what a person must look at.
fn table(report: &Report) -> String {
    use std::fmt::Write as _;
    let width = report.photos.iter().map(|photo| photo.photo.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!(
        "{:<width$}  {:>9}  {:>5}  {:>6}  {:>6}  {:>5}  {:>5}  {:<24}  result\n",
        "photo", "size", "face", "sharp", "bright", "yaw", "pitch", "faces found by"
    );
    for photo in &report.photos {
        let size = photo.content.as_ref().map_or("-".to_owned(), |it| format!("{}x{}", it.width, it.height));
        let _ = write!(text, "{:<width$}  {size:>9}  ", photo.photo);
        let finders = finders(photo.content.as_ref());
        let _ = match &photo.outcome {
            Outcome::Enrolled { quality, .. } => writeln!(
                text,
                "{:>5.0}  {:>6.0}  {:>6.0}  {:>4.0}°  {:>4.0}°  {finders:<24}  enrolled",
                quality.width, quality.sharpness, quality.brightness, quality.yaw, quality.pitch
            ),
            Outcome::Refused { reason } => writeln!(
                text,
                "{:>5}  {:>6}  {:>6}  {:>5}  {:>5}  {finders:<24}  NOT ENROLLED: {reason}",
                "-", "-", "-", "-", "-"
            ),
        };
    }
    for ignored in &report.ignored {
        let _ = writeln!(text, "left out: {}: {}", ignored.path, ignored.reason);
    }
    for pair in &report.alike {
        let _ = writeln!(
            text,
            "alike: {} and {} (similarity {:.2}): one person under two numbers, or a photo in the wrong folder?",
            pair.one, pair.other, pair.similarity
        );
    }
    for roll in report.unrecognisable() {
        let _ = writeln!(text, "cannot be recognised: {roll} has no usable photo");
    }
    let refused = report.refused().count();
    let _ = writeln!(
        text,
        "{} photos, {} enrolled, {refused} not",
        report.photos.len(),
        report.photos.len() - refused
    );
    text
}

/// How many faces each detector found that no other had found before: "1 blazeface, 1 yunet".
fn finders(content: Option<&Content>) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for face in content.iter().flat_map(|content| &content.faces) {
        let name = serde_json::to_value(face.by).ok().and_then(|name| name.as_str().map(str::to_owned));
        let name = name.unwrap_or_default();
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let words: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}
