#![allow(clippy::unwrap_used)]
use super::*;

fn shown(species: Option<&str>, passive: Option<f32>, accepted: bool) -> Presentation {
    Presentation {
        path: "x".into(),
        species: species.map(str::to_owned),
        seen: passive.is_some(),
        passive,
        accepted: [Some(accepted), None, None, None],
        decisions: Vec::new(),
        why: String::new(),
    }
}

#[test]
fn worst_species_determines_apcer() {
    let figures = figures(&[
        shown(None, Some(0.99), true),
        shown(None, Some(0.99), true),
        shown(None, None, false),
        shown(Some("paper"), Some(0.01), false),
        shown(Some("paper"), None, false),
        shown(Some("screen"), Some(0.9), true),
        shown(Some("screen"), Some(0.1), false),
    ]);
    assert_eq!(figures.genuine_without_face.events, 1);
    let passive = &figures.rules[0];
    assert_eq!((passive.bpcer.events, passive.bpcer.trials), (1, 3));
    assert_eq!(
        (passive.species[0].name.as_str(), passive.apcer.events, passive.apcer.trials),
        ("screen", 1, 2)
    );
    assert_eq!(passive.species[1].without_face.events, 1);
    assert!(passive.acer.is_some_and(|acer| (acer - (0.5 + 1.0 / 3.0) / 2.0).abs() < 1e-9));
    assert_eq!(figures.rules[1].bpcer.trials, 0, "a still cannot be asked for a blink");
    assert_eq!(figures.rules[1].acer, None, "what was not measured is not perfect");
}

#[test]
fn rule_without_its_models_is_not_measured() {
    let seen = |models: bool| {
        let mut trial = Trial::new(Rule { threshold: 0.5, margin: 0.05, votes: 3 }, models).unwrap();
        trial.frame(Duration::ZERO);
        trial.end("x".into(), Some("screen".to_owned()))
    };
    assert_eq!(seen(true).accepted, [Some(false); 4]);
    let without = seen(false);
    assert_eq!(without.accepted, [None, None, None, Some(false)]);
    let figures = figures(&[without]);
    assert_eq!(figures.rules[0].apcer.trials, 0, "nothing was refused by what is not there");
    assert_eq!(figures.rules[3].apcer.trials, 1);
}

#[test]
fn late_acceptance_is_no_early_one() {
    let decided = |seconds: f32| {
        let decision = Some(Decision { frames: (seconds * 30.0) as u32, seconds });
        [decision, None, None, None]
    };
    let mut late = shown(None, Some(0.99), true);
    late.decisions = vec![decided(0.5), decided(1.0), decided(3.0), [None; 4]];
    let figures = &figures(&[late]).rules[0];
    assert_eq!((figures.soon.events, figures.soon.trials), (2, 4));
    assert_eq!(figures.seconds_to_decision, Some([1.0, 1.0]));
    assert_eq!(figures.frames_to_decision, Some([30, 30]));
}

#[test]
fn folders_name_the_species() {
    let dir = tempfile::tempdir().unwrap();
    let (genuine, attacks) = (dir.path().join("genuine"), dir.path().join("attacks"));
    std::fs::create_dir_all(genuine.join("deep")).unwrap();
    std::fs::create_dir_all(attacks.join("screen/phone")).unwrap();
    std::fs::write(attacks.join("a.jpg"), "").unwrap();
    assert!(files(&genuine, &attacks).is_err());
    std::fs::write(genuine.join("deep/g.jpg"), "").unwrap();
    std::fs::write(attacks.join("screen/phone/b.jpg"), "").unwrap();
    let species: Vec<_> =
        files(&genuine, &attacks).unwrap().into_iter().map(|(_, species)| species).collect();
    assert_eq!(species, [None, Some("attacks".to_owned()), Some("screen".to_owned())]);
}
