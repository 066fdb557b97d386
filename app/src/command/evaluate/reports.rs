//! What was measured, for people and in files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use evaluate::attacks::{Presentation, RULES};
use evaluate::bench::Shown;
use evaluate::{attacks, bench, chart, enrolment, identification};

#[derive(Debug, clap::Args)]
pub(super) struct Out {
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write every score as CSV.
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Write pictures (SVG) into this folder.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
}

pub(super) fn report_enrolment(figures: &enrolment::Figures) {
    println!("Upright pictures that enrol: {}", figures.enrolled);
    for (reason, count) in &figures.refused {
        println!("  refused, {reason}: {count}");
    }
    for (limit, below) in &figures.below {
        println!("  less like itself than {limit:.2}: {below}");
    }
    for (limit, known, taken) in &figures.copies {
        println!("Copies from {limit:.2} on: the same picture in half its size: {known}");
        println!("  two pictures of one person: {taken}");
    }
    for turned in &figures.turned {
        println!(
            "Turned by {}°: enrolled {}; enrolled and useless {}",
            turned.degrees, turned.enrolled, turned.useless
        );
    }
    println!("Photos of different people are below a similarity of {:.3}", figures.unlike);
    println!("Two photos of one person refused: {}", figures.two_of_one_refused);
    println!("All photos of one person, one or more refused: {}", figures.all_of_one_refused);
    println!("Two photos of two people refused: {}", figures.two_of_two_refused);
    println!("A stranger among three photos found: {}", figures.stranger_among_three_found);
    println!("  a right photo set aside instead: {}", figures.stranger_among_three_preferred);
}

pub(super) fn report_identification(measured: &identification::Measured, out: &Out) -> anyhow::Result<()> {
    let figures = &measured.figures;
    println!("{} people enrolled from at most {} pictures each", figures.enrolled, figures.pictures_each);
    println!("Pictures without a face that counts: {}", figures.without_face);
    println!("Rank 1: {}", figures.rank_one);
    for point in &figures.points {
        match point.accepted_fpir {
            Some(fpir) => println!("FPIR {fpir} asked for, similarity {:.3}:", point.threshold),
            None => println!("similarity {:.2}:", point.threshold),
        }
        println!("  FPIR {}\n  FNIR {}", point.fpir, point.fnir);
        if let Some(asked) = point.second_asked {
            println!("  second embedder asked in doubt only: people on the roster {}", asked.mated);
            println!("    strangers {}", asked.strangers);
        }
    }
    for point in &figures.calibration.points {
        println!("FMR {:e}: similarity {:.3}", point.fmr, point.threshold);
    }
    write_json(out, figures)?;
    if let Some(csv) = &out.csv {
        let mut writer =
            csv::Writer::from_path(csv).with_context(|| format!("cannot write {}", csv.display()))?;
        writer.write_record(["picture", "shows", "found", "similarity", "margin"])?;
        for probe in &measured.probes {
            let (found, similarity, margin) = match &probe.found {
                Some((name, similarity, margin)) => {
                    (name.as_str(), similarity.to_string(), margin.to_string())
                }
                None => ("", String::new(), String::new()),
            };
            let (picture, truth) =
                (probe.picture.display().to_string(), probe.truth.as_deref().unwrap_or(""));
            writer.write_record([&picture, truth, found, &similarity, &margin])?;
        }
        writer.flush()?;
    }
    let scores = measured.scores();
    write_chart(
        out,
        "identification.svg",
        &chart::roc("Identification, open set (FPIR, 1 − FNIR)", &scores),
    )?;
    let kinds = [("on the roster", scores.genuine()), ("strangers", scores.impostor())];
    let histogram = chart::histogram("Similarity to the best match", "cosine similarity", (-0.4, 1.0), kinds);
    write_chart(out, "identification-scores.svg", &histogram)
}

pub(super) fn report_attacks(presentations: &[Presentation], out: &Out) -> anyhow::Result<()> {
    let figures = attacks::figures(presentations);
    println!("Genuine presentations without a face: {}", figures.genuine_without_face);
    for (rule, figures) in figures.rules.iter().enumerate() {
        println!("\nRule {}:", figures.rule);
        if figures.species.is_empty() && figures.bpcer.trials == 0 {
            println!("  Not measured: there is nothing here that it can judge");
            continue;
        }
        for species in &figures.species {
            println!("  APCER {}: {}", species.name, species.apcer);
        }
        println!("  BPCER: {}", figures.bpcer);
        match figures.acer {
            Some(acer) => println!("  ACER, with the worst species: {:.2} %", acer * 100.0),
            None => println!(
                "  ACER: not measured, for it takes genuine people and attacks that this rule can judge"
            ),
        }
        if let (Some([frames, most_frames]), Some([seconds, most_seconds])) =
            (figures.frames_to_decision, figures.seconds_to_decision)
        {
            println!(
                "  Decided after {frames} frames and {seconds:.1} s (median), {most_frames} frames and {most_seconds:.1} s \
                 (nine in ten)"
            );
            println!("  Accepted within 2 s: {}", figures.soon);
        }
        for p in presentations.iter().filter(|p| p.accepted[rule] == Some(p.species.is_some())) {
            println!(
                "  Wrong: {} {} ({})",
                p.species.as_deref().unwrap_or("genuine"),
                p.path.display(),
                p.why
            );
        }
    }
    write_json(out, &figures)?;
    if let Some(csv) = &out.csv {
        let mut writer =
            csv::Writer::from_path(csv).with_context(|| format!("cannot write {}", csv.display()))?;
        let columns = ["file", "species", "passive", "why"].into_iter().chain(RULES.map(|(name, ..)| name));
        writer.write_record(columns)?;
        for p in presentations {
            let passive = p.passive.map_or(String::new(), |passive| passive.to_string());
            let species = p.species.as_deref().unwrap_or("genuine").to_owned();
            let accepted = p.accepted.map(|accepted| accepted.map_or(String::new(), |yes| yes.to_string()));
            let first = [p.path.display().to_string(), species, passive, p.why.clone()];
            writer.write_record(first.into_iter().chain(accepted))?;
        }
        writer.flush()?;
    }
    let scores = |genuine: bool| -> Vec<f32> {
        presentations.iter().filter(|p| p.species.is_none() == genuine).filter_map(|p| p.passive).collect()
    };
    let kinds = [("genuine", &scores(true)[..]), ("attacks", &scores(false)[..])];
    let chart = chart::histogram("Anti-spoof models", "mean P(live)", (0.0, 1.0), kinds);
    write_chart(out, "attacks.svg", &chart)
}

pub(super) fn report_bench(shown: &[Shown]) {
    for item in shown {
        let kind = item.species.map_or("living", |species| species.name());
        let door = if item.plain { "plain wall" } else { "textured" };
        let fate = match item.accepted {
            Some(seconds) => format!("accepted after {seconds:.1} s ({:?})", item.life),
            None if item.refused => "refused".to_owned(),
            None => "no answer".to_owned(),
        };
        println!("{kind}, {door}, {}: {fate}; {}", item.person, item.why);
    }
    let figures = bench::figures(shown);
    println!("\nAttacks accepted, by species:");
    for (species, rate) in &figures.attacks {
        let note = if species.is_gated() { "" } else { " (reported, no goal)" };
        println!("  {}{note}: {rate}", species.name());
    }
    println!("Living, textured doorway, within 2 s without a prompt: {}", figures.soon);
    println!("Living, textured doorway, within 6 s: {}", figures.six);
    println!("Living, plain wall, within 6 s: {}", figures.six_plain);
    println!("Living refused as attacks: {}", figures.living_refused);
}

pub(super) fn write_bench(shown: &[Shown], path: &Path) -> anyhow::Result<()> {
    let mut writer =
        csv::Writer::from_path(path).with_context(|| format!("cannot write {}", path.display()))?;
    writer.write_record([
        "species", "plain", "person", "accepted", "life", "refused", "prompted", "why", "how",
    ])?;
    for item in shown {
        writer.write_record([
            item.species.map_or("living", |species| species.name()),
            &item.plain.to_string(),
            &item.person,
            &item.accepted.map_or(String::new(), |seconds| seconds.to_string()),
            &format!("{:?}", item.life),
            &item.refused.to_string(),
            &item.prompted.to_string(),
            &item.why,
            &serde_json::to_string(&item.parameters)?,
        ])?;
    }
    Ok(writer.flush()?)
}

pub(super) fn write_json(out: &Out, figures: &impl serde::Serialize) -> anyhow::Result<()> {
    let Some(path) = &out.json else { return Ok(()) };
    write_file(path, serde_json::to_string_pretty(figures)?)
}

pub(super) fn write_file(path: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn write_chart(out: &Out, name: &str, svg: &str) -> anyhow::Result<()> {
    let Some(folder) = &out.charts else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join(name), svg))
        .with_context(|| format!("cannot write {} into {}", name, folder.display()))
}
