#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use time::macros::datetime;

use super::*;

fn outcome(trial: u64, end: End) -> TrialOutcome {
    let to = Some(System { version: "2.0.0".to_owned(), built: None });
    TrialOutcome {
        trial,
        slot: Slot::B,
        from: System::default(),
        to,
        went_back: false,
        origin: Origin::Stick,
        at: datetime!(2026-01-02 03:04:05 UTC),
        end,
    }
}

#[test]
fn newest_outcomes_are_kept() {
    let mut history = History::default();
    for trial in 1..=40 {
        history.add(outcome(trial, End::Silent { reached: TrialProgress::Begun }));
        history.add(outcome(trial, End::Committed));
    }
    assert_eq!(history.outcomes.len(), KEPT);
    assert_eq!(history.last().unwrap().trial, 40);
    assert!(history.outcomes.iter().all(|outcome| outcome.end == End::Committed));
    assert_eq!(from_text(&to_text(&history)), history);
}

#[test]
fn unknown_outcome_hides_no_other() {
    let mut history = History::default();
    history.add(outcome(1, End::Committed));
    history.add(outcome(2, End::Rescued));
    let text = String::from_utf8(to_text(&history)).unwrap().replace("rescued", "transcended");
    let mut back = from_text(text.as_bytes());
    assert_eq!((back.outcomes.len(), back.foreign.len()), (1, 1));
    // The older version notes how its own update ended; the later one finds all three.
    back.add(outcome(3, End::Committed));
    let text = String::from_utf8(to_text(&back)).unwrap().replace("transcended", "rescued");
    assert_eq!(from_text(text.as_bytes()).outcomes.len(), 3);
    assert_eq!(from_text(b"{").outcomes.len(), 0);
}

#[test]
fn old_check_names_are_translated() {
    let history =
        History { outcomes: vec![outcome(3, End::failed("networks", "no", &[]))], foreign: Vec::new() };
    let read = from_text(&to_text(&history));
    assert!(matches!(&read.outcomes[0].end, End::Failed { check, .. } if check == "models"), "{read:?}");
    let network =
        History { outcomes: vec![outcome(3, End::failed("network", "no", &[]))], foreign: Vec::new() };
    assert_eq!(from_text(&to_text(&network)), network);
}

#[test]
fn failure_keeps_its_check_and_the_end_of_the_log() {
    let log: Vec<String> = (0..500).map(|n| format!("line {n} {}", "é".repeat(1000))).collect();
    let end = End::failed("camera", "no frame within 60 s", &log);
    let End::Failed { log, .. } = &end else { unreachable!() };
    assert_eq!(log.len(), LOG_LINES);
    assert!(log.last().unwrap().starts_with("line 499"));
    assert!(log.iter().all(|line| line.chars().count() <= LINE_LENGTH));
    let told = outcome(3, end).sentence();
    assert!(told.contains("camera") && told.contains("no frame") && told.contains("2.0.0"), "{told}");
}

/// An outcome of `version`, after which the other version of two runs if it went back.
fn of(trial: u64, version: &str, end: End, left: Option<&str>) -> TrialOutcome {
    let system = |version: &str| System { version: version.to_owned(), built: None };
    let from = left.map(system).unwrap_or_default();
    TrialOutcome { to: Some(system(version)), from, went_back: left.is_some(), ..outcome(trial, end) }
}

fn failed() -> End {
    End::failed("camera", "no frame", &[])
}

fn silent() -> End {
    End::Silent { reached: TrialProgress::Begun }
}

fn not_wanted(outcomes: Vec<TrialOutcome>, acknowledged: Option<u64>) -> Vec<String> {
    History { outcomes, foreign: Vec::new() }.not_wanted(acknowledged)
}

#[test]
fn broken_versions_do_not_alternate() {
    let both = vec![of(1, "5", failed(), None), of(2, "6", failed(), None)];
    assert_eq!(not_wanted(both.clone(), None), ["5", "6"]);
    assert_eq!(not_wanted(both.clone(), Some(1)), ["6"]);
    assert_eq!(not_wanted(both.clone(), Some(2)), [""; 0]);
    // The counter of trials began again with a new data partition: an old acknowledgement says nothing.
    assert_eq!(not_wanted(both, Some(7)), ["5", "6"]);
}

#[test]
fn two_silent_trials_block_a_version() {
    let once = vec![of(1, "5", silent(), None), of(2, "6", silent(), None)];
    assert_eq!(not_wanted(once.clone(), None), [""; 0]);
    let twice = [once, vec![of(3, "5", silent(), None)]].concat();
    assert_eq!(not_wanted(twice.clone(), None), ["5"]);
    let at_last = [twice, vec![of(4, "5", End::Committed, None), of(5, "5", silent(), None)]].concat();
    assert_eq!(not_wanted(at_last, None), [""; 0]);
}

#[test]
fn abandoned_version_is_not_installed_automatically() {
    let back = vec![of(1, "6", End::Committed, None), of(2, "5", End::Committed, Some("6"))];
    assert_eq!(not_wanted(back.clone(), None), ["6"]);
    assert_eq!(not_wanted(back.clone(), Some(2)), [""; 0]);
    assert_eq!(back[1].sentence(), "Went back to version 5.");
    let by_hand = [back, vec![of(3, "6", End::Committed, None)]].concat();
    assert_eq!(not_wanted(by_hand, None), [""; 0]);
    let not_even_back = vec![of(2, "5", failed(), Some("6"))];
    assert_eq!(not_wanted(not_even_back, None), ["5"], "the version that runs was not left");
}

proptest! {
    /// What is installed automatically is tried twice at most: an appliance that nobody looks at restarts
    /// a bounded number of times.
    #[test]
    fn no_automatic_third_trial(
        offers in proptest::collection::vec((0_usize..3, 0_u8..3, any::<bool>()), 0..60),
    ) {
        let mut history = History::default();
        let mut tried = [0; 3];
        let mut trial = 0;
        for (version, nature, cut) in offers {
            let name = ["5", "6", "7"][version];
            if history.not_wanted(None).iter().any(|refused| refused == name) {
                continue;
            }
            trial += 1;
            tried[version] += 1;
            let end = if cut || nature == 0 { silent() } else { failed() };
            history.add(of(trial, name, end, None));
            prop_assert!(tried[version] <= 2, "version {} again", name);
        }
    }
}
