//! Error rates, from what was decided about each presentation.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::statistics::Rate;
use liveness::config::LivenessRule;

/// The rules that are measured side by side, and whether they take the anti-spoof models.
pub const RULES: [(&str, LivenessRule, bool); 4] = [
    ("passive", LivenessRule::Passive, true),
    ("passive+blink", LivenessRule::PassiveBlink, true),
    ("passive+any", LivenessRule::PassiveAny, true),
    ("blink, without models", LivenessRule::PassiveBlink, false),
];

/// How soon a person should have an answer. Only beginnings with this much video after them are counted.
pub(super) const SOON: Duration = Duration::from_secs(2);

/// After this time nobody waits any longer.
pub(super) const GIVE_UP: Duration = Duration::from_secs(10);

/// When a rule was satisfied: frames with a usable face up to then, and seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decision {
    /// Frames with a face good enough to judge.
    pub frames: u32,
    /// Seconds since the first frame.
    pub seconds: f32,
}

/// What each of [`RULES`] said.
pub type ByRule<T> = [T; RULES.len()];

/// One still or video.
#[derive(Debug, Clone, Serialize)]
pub struct Presentation {
    /// The file.
    pub path: PathBuf,
    /// The kind of attack; `None` for a genuine person.
    pub species: Option<String>,
    /// Whether a face was found that is good enough to judge.
    pub seen: bool,
    /// Mean P(live) of the passive models over all frames, 0 to 1; `None` where they said nothing.
    pub passive: Option<f32>,
    /// Whether each rule took it for a living person; `None` where the rule cannot be asked: a still cannot
    /// blink, and models that are missing refuse nobody.
    pub accepted: ByRule<Option<bool>>,
    /// When each rule was satisfied, for each moment from which the video was played.
    pub decisions: Vec<ByRule<Option<Decision>>>,
    /// The scores behind it, in words.
    pub why: String,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Attacks {
    /// Under each rule.
    pub rules: Vec<Figures>,
    /// Genuine presentations without a face; they count as refused.
    pub genuine_without_face: Rate,
}

/// What was measured under one rule.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The rule.
    pub rule: &'static str,
    /// Genuine presentations that were refused (BPCER).
    pub bpcer: Rate,
    /// Accepted attacks (APCER) of the worst species.
    pub apcer: Rate,
    /// Mean of both; `None` where one of them was not measured.
    pub acer: Option<f64>,
    /// Every species, the worst first.
    pub species: Vec<Species>,
    /// Genuine videos, from every moment at which they were begun: accepted within two seconds.
    pub soon: Rate,
    /// Frames with a face up to the decision: median and nine in ten of those that came to one.
    pub frames_to_decision: Option<[u32; 2]>,
    /// The same in seconds.
    pub seconds_to_decision: Option<[f32; 2]>,
}

/// One kind of attack.
#[derive(Debug, Clone, Serialize)]
pub struct Species {
    /// The folder's name, or the motion of a still.
    pub name: String,
    /// Attacks taken for living people.
    pub apcer: Rate,
    /// Attacks in which no face was found; they count as refused.
    pub without_face: Rate,
}

/// The rates over all presentations. Pure.
pub fn figures(presentations: &[Presentation]) -> Attacks {
    let genuine: Vec<_> = presentations.iter().filter(|p| p.species.is_none()).collect();
    let without = genuine.iter().filter(|p| !p.seen).count();
    Attacks {
        rules: (0..RULES.len()).map(|rule| under(rule, presentations)).collect(),
        genuine_without_face: Rate::of(without, genuine.len()),
    }
}

fn under(rule: usize, presentations: &[Presentation]) -> Figures {
    let mut species: BTreeMap<&str, Vec<&Presentation>> = BTreeMap::new();
    let mut genuine = Vec::new();
    for presentation in presentations.iter().filter(|p| p.accepted[rule].is_some()) {
        match &presentation.species {
            Some(name) => species.entry(name).or_default().push(presentation),
            None => genuine.push(presentation),
        }
    }
    let accepted = |p: &&&Presentation| p.accepted[rule] == Some(true);
    let mut species: Vec<Species> = species
        .into_iter()
        .map(|(name, of)| Species {
            name: name.to_owned(),
            apcer: Rate::of(of.iter().filter(accepted).count(), of.len()),
            without_face: Rate::of(of.iter().filter(|p| !p.seen).count(), of.len()),
        })
        .collect();
    species.sort_by(|a, b| b.apcer.rate.total_cmp(&a.apcer.rate));
    let bpcer = Rate::of(genuine.len() - genuine.iter().filter(accepted).count(), genuine.len());
    let apcer = species.first().map_or(Rate::of(0, 0), |worst| worst.apcer);
    let decisions: Vec<_> = genuine.iter().flat_map(|p| &p.decisions).map(|by_rule| by_rule[rule]).collect();
    let soon = decisions.iter().flatten().filter(|d| d.seconds <= SOON.as_secs_f32()).count();
    let mut made: Vec<Decision> = decisions.iter().flatten().copied().collect();
    let mut quantiles = |order: fn(&Decision, &Decision) -> Ordering| {
        made.sort_by(order);
        (!made.is_empty()).then(|| [0.5, 0.9].map(|q| made[(q * (made.len() - 1) as f32) as usize]))
    };
    Figures {
        rule: RULES[rule].0,
        bpcer,
        apcer,
        acer: (apcer.trials > 0 && bpcer.trials > 0).then_some((apcer.rate + bpcer.rate) / 2.0),
        species,
        soon: Rate::of(soon, decisions.len()),
        frames_to_decision: quantiles(|a, b| a.frames.cmp(&b.frames)).map(|q| q.map(|d| d.frames)),
        seconds_to_decision: quantiles(|a, b| a.seconds.total_cmp(&b.seconds)).map(|q| q.map(|d| d.seconds)),
    }
}
