//! `attendance evaluate`: how right is it, on pictures of yours?

mod reports;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use image::RgbImage;

use self::reports::{
    Out, report_attacks, report_bench, report_enrolment, report_identification, write_bench, write_chart,
    write_file, write_json,
};
use base::moment::{Clock, SystemClock};
use config::Config;
use evaluate::attacks::Judge;
use evaluate::bench::species::Half;
use evaluate::identification::identification;
use evaluate::verification::verification;
use evaluate::{attacks, bench, chart, enrolment, groups, identification, pairs, pictures};
use liveness::config::{Liveness, LivenessRule};
use recognition::naming::second::FirstCurve;
use recognition::naming::threshold::Calibration;
use recognition::naming::vote::Rule;
use recognition::{Engine, EngineError};
use vision::embedding::Embedding;

/// Photos on the roster for which the errors by group are reported.
const SCHOOL: usize = 225;

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Are two pictures one person? LFW-style folder and list of pairs.
    Verification {
        /// Folder of pictures, `<person>/<person>_0001.jpg`.
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        /// List of pairs in LFW's form.
        #[arg(long, value_name = "FILE")]
        pairs: PathBuf,
        #[command(flatten)]
        out: Out,
    },
    /// Who of the roster is it, and is a stranger told apart? A folder of people with several pictures each.
    Identification {
        /// Folder of pictures, `<person>/<picture>`.
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        /// Pictures each person is enrolled from, at most.
        #[arg(long, default_value_t = 1)]
        pictures_each: usize,
        /// Least distance to the second-best person; the configured one if not given.
        #[arg(long)]
        margin: Option<f32>,
        /// Look as the door does: a face that fails its quality gate counts as none.
        #[arg(long)]
        gate: bool,
        /// Groups of people: a line for each, `person,group`. Reports FMR and FNMR by group.
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
        /// Write the thresholds measured on these pictures, for `recognition.calibration`.
        #[arg(long, value_name = "FILE")]
        calibration: Option<PathBuf>,
        #[command(flatten)]
        out: Out,
    },
    /// What happens to photos that lie or stand on their head, and to a student's folder that has somebody
    /// else's photo? A folder of people with several upright pictures each.
    Enrolment {
        /// Folder of pictures, `<person>/<picture>`.
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
        /// People whose first picture is also tried in the three other positions, at most.
        #[arg(long, default_value_t = 300)]
        turned: usize,
        /// Write the figures as JSON.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Is it a living person? Stills and videos (Y4M, MJPEG) of people, and attacks, a folder for each
    /// species.
    Attacks {
        /// Folder of genuine presentations.
        #[arg(long, value_name = "DIR")]
        genuine: PathBuf,
        /// Folder of attacks, `<species>/<file>`.
        #[arg(long, value_name = "DIR")]
        attacks: PathBuf,
        /// Folder of stills, `<person>/<picture>`, each to be held before the camera and moved in every way a
        /// sheet can move, covered in part, and exchanged for the next picture in its folder.
        #[arg(long, value_name = "DIR")]
        stills: Option<PathBuf>,
        #[command(flatten)]
        out: Out,
    },
    /// Is it a living person, by the whole pipeline with scene and prompts? Composes people and attacks from
    /// a folder of people before drawn doorways. Tune on the development half only.
    Bench {
        /// Folder of people, `<person>/<picture>`, with two pictures each or more.
        #[arg(long, value_name = "DIR")]
        people: PathBuf,
        /// Half of people, doorways and parameters.
        #[arg(long, value_parser = ["development", "test"])]
        half: String,
        /// Items of each species, and living people before each of four doorways.
        #[arg(long, default_value_t = 10)]
        each: usize,
        /// Write every item as CSV.
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = if path.exists() { super::configured(path)? } else { Config::default() };
    let mut engine = Engine::load(&config.models_dir(), &config.recognition)?;
    let bar = super::progress_bar("pictures");
    let looked_at = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    if let What::Enrolment { images, turned, json } = &arguments.what {
        let plan = enrolment::Plan { turned: *turned, likeness: engine.likeness() };
        let figures = enrolment::enrolment(images, plan, &mut |photo| engine.enrol(photo), &looked_at)?;
        bar.finish_and_clear();
        report_enrolment(&figures);
        if let Some(path) = json {
            write_file(path, serde_json::to_string_pretty(&figures)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let What::Bench { people, half, each, csv } = &arguments.what {
        let plan = bench::Plan {
            people,
            half: if half == "test" { Half::Test } else { Half::Development },
            each: (*each).clamp(1, 1000),
            recognition: config.recognition.clone(),
            liveness: Liveness { exempt: Vec::new(), ..config.liveness.clone() },
        };
        let mut load = || Engine::load(&config.models_dir(), &config.recognition);
        let shown = bench::run(&plan, &mut load, &looked_at)?;
        bar.finish_and_clear();
        report_bench(&shown);
        if let Some(path) = csv {
            write_bench(&shown, path)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let gate = matches!(arguments.what, What::Identification { gate: true, .. });
    let min_face_px = gate.then_some(config.recognition.min_face_px);
    let mut embed = |picture: &RgbImage| central_embedding(&mut engine, picture, min_face_px);
    match &arguments.what {
        What::Verification { images, pairs, out } => {
            let measured = verification(images, pairs::read(pairs)?, &mut embed, &looked_at)?;
            bar.finish_and_clear();
            let figures = &measured.figures;
            println!("Pictures without a face: {}", figures.without_face);
            println!("Accuracy: {}", figures.accuracy);
            let (mean, error) = figures.fold_accuracy;
            println!("Mean of {} folds: {:.2} % ± {:.2}", figures.folds.len(), mean * 100.0, error * 100.0);
            for point in &figures.tar_at_far {
                println!(
                    "TAR at FAR {:e} (similarity {:.3}): {}; FAR seen {}",
                    point.far, point.threshold, point.tar, point.far_seen
                );
            }
            println!(
                "Equal error rate: {:.2} % (similarity {:.3})",
                figures.equal_error_rate * 100.0,
                figures.equal_error_threshold
            );
            write_json(out, figures)?;
            if let Some(csv) = &out.csv {
                let mut writer =
                    csv::Writer::from_path(csv).with_context(|| format!("cannot write {}", csv.display()))?;
                writer.write_record(["one", "other", "same", "fold", "similarity"])?;
                for (pair, similarity) in &measured.pairs {
                    let (one, other) = (pair.one.display().to_string(), pair.other.display().to_string());
                    let (same, fold) = (pair.same.to_string(), pair.fold.to_string());
                    writer.write_record([one, other, same, fold, similarity.to_string()])?;
                }
                writer.flush()?;
            }
            let scores = &measured.scores;
            write_chart(out, "roc.svg", &chart::roc("Verification", scores))?;
            let kinds = [("one person", scores.genuine()), ("two people", scores.impostor())];
            write_chart(
                out,
                "scores.svg",
                &chart::histogram("Similarity of pairs", "cosine similarity", (-0.4, 1.0), kinds),
            )?;
        }
        What::Identification { images, pictures_each, margin, calibration, labels, out, .. } => {
            let general =
                Calibration::of(config.recognition.calibration.as_deref(), config.recognition.embedder)?;
            // The threshold of a school with so many photos, unless the site has set one; a site with two
            // embedders has set it for the first.
            let first = FirstCurve::of(&general)?;
            let set = |set| first.as_ref().map_or(set, |first| first.as_of_both(set, &general));
            let automatic = || general.threshold(SCHOOL, config.recognition.accepted_fpir);
            let groups_at = config.recognition.threshold.map_or_else(automatic, set);
            let plan = identification::Plan {
                pictures_each: *pictures_each,
                thresholds: (20..=70).step_by(5).map(|percent| percent as f32 / 100.0).collect(),
                margin: margin.unwrap_or(config.recognition.margin),
                calibration: general,
                labels: labels.as_deref().map(groups::read).transpose()?.unwrap_or_default(),
                groups_at,
            };
            let measured = identification(images, &plan, &mut embed, &looked_at)?;
            bar.finish_and_clear();
            report_identification(&measured, out)?;
            if !measured.figures.groups.is_empty() {
                println!("By group, single comparisons at similarity {groups_at:.3}:");
            }
            for group in &measured.figures.groups {
                println!(
                    "  {} ({} people): FMR {}; FNMR {}",
                    group.name, group.people, group.fmr, group.fnmr
                );
            }
            if let Some(path) = calibration {
                let measured_on = &measured.figures.calibration;
                if let Err(reason) = measured_on.check() {
                    anyhow::bail!(
                        "no calibration was written: {reason}, and {} comparisons of different people do not give \
                         them; take pictures of more people (20 people with 2 pictures each are enough)",
                        measured_on.comparisons
                    );
                }
                write_file(path, serde_json::to_string_pretty(&measured.figures.calibration)?)?;
            }
        }
        // Done above.
        What::Enrolment { .. } | What::Bench { .. } => {}
        What::Attacks { genuine, attacks: folder, stills, out } => {
            // Every rule is measured, whatever the site's own is.
            let mut checker =
                engine.liveness(&Liveness { require: LivenessRule::PassiveAny, ..Default::default() })?;
            // A face is compared with that of its own first frame, by the first embedder, as at the door.
            let calibration = Calibration::of(None, config.recognition.embedder.first())?;
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(config.site.clock));
            let files = attacks::files(genuine, folder)?;
            let stills = stills.as_deref().map_or(Ok(Vec::new()), attacks::below)?;
            let total = files.len() + stills.len();
            let mut judge = Judge {
                engine: &mut engine,
                checker: &mut checker,
                clock: &clock,
                min_face_px: config.recognition.min_face_px,
                rule: Rule {
                    threshold: config
                        .recognition
                        .threshold
                        .unwrap_or_else(|| calibration.threshold(1, config.recognition.accepted_fpir)),
                    margin: config.recognition.margin,
                    votes: config.recognition.votes,
                },
            };
            let mut presentations = Vec::with_capacity(total);
            for (index, (path, species)) in files.into_iter().enumerate() {
                looked_at(index, total);
                presentations.push(judge.present(path, species)?);
            }
            for (index, path) in stills.iter().enumerate() {
                looked_at(total - stills.len() + index, total);
                // The next picture of the same folder is another one of the same person.
                let other = stills.get(index + 1).filter(|other| other.parent() == path.parent());
                presentations.extend(judge.hold(path, other.map(PathBuf::as_path))?);
            }
            bar.finish_and_clear();
            if !checker.has_passive() {
                println!(
                    "The anti-spoof models are missing, so the rules that take them are not measured; run fetch_models to \
                     have them"
                );
            }
            report_attacks(&presentations, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The embedding of the face a picture is about; with `min_face_px`, only of one that passes the door's
/// quality gate.
fn central_embedding(
    engine: &mut Engine,
    picture: &RgbImage,
    min_face_px: Option<u32>,
) -> Result<Option<Embedding>, EngineError> {
    let faces = engine.detect(picture)?;
    let Some(face) = pictures::central(picture, &faces) else { return Ok(None) };
    match engine.look(picture, face)? {
        Some((_, quality)) if min_face_px.is_none_or(|least| quality.problem(least).is_none()) => {
            engine.embed_aligned().map(Some)
        }
        _ => Ok(None),
    }
}
