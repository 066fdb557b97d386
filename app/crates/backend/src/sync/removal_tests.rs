#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn set(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn config() -> Photos {
    Photos { removal_limit: 0.3, removal_confirmations: 3, ..Photos::default() }
}

fn first(lately: &Lately) -> Before<'_> {
    Before { pending: None, lately, step: Duration::ZERO, confirmed: None }
}

fn few(photos: &[&str]) -> Decision {
    Decision::Remove { photos: photos.iter().map(|path| (*path).to_owned()).collect(), settled: false }
}

#[test]
fn what_is_gone_goes_unless_it_is_too_much() {
    let local = set(&["1/a", "2/a", "3/a", "4/a"]);
    let lately = Lately::default();
    let decide =
        |listed: &[&str], kept: &[&str]| decide(&local, &set(listed), &set(kept), first(&lately), &config());
    assert_eq!(decide(&["1/a", "2/a", "3/a"], &[]), few(&["4/a"]));
    assert_eq!(decide(&[], &[]), few(&[]));
    assert_eq!(decide(&["1/a", "2/a", "3/a"], &["4"]), few(&[]));
    assert!(matches!(
        decide(&["1/a", "2/a"], &[]),
        Decision::Wait(Pending { students: 2, of: 4, photos: 2, .. })
    ));
    // A new photo in the place of an old one is not a loss, for however many.
    assert_eq!(decide(&["1/b", "2/b", "3/b", "4/b"], &[]), few(&["1/a", "2/a", "3/a", "4/a"]));
}

#[test]
fn a_large_removal_is_believed_after_a_day_of_agreeing_listings() {
    let (local, listed, kept) = (set(&["1/a", "2/a", "3/a"]), set(&["1/a"]), set(&[]));
    let lately = Lately::default();
    // However many come in a short time.
    for (step, needed) in [(HOUR, 24), (Duration::from_secs(60), 24 * 60)] {
        let mut pending: Option<Pending> = None;
        for number in 0..needed {
            let earlier =
                Before { pending: pending.as_ref(), lately: &lately, step, confirmed: Some("other") };
            match decide(&local, &listed, &kept, earlier, &config()) {
                Decision::Wait(next) => pending = Some(next),
                Decision::Remove { .. } => panic!("believed at synchronisation {number} of {needed}"),
            }
        }
        let earlier = Before { pending: pending.as_ref(), lately: &lately, step, confirmed: None };
        let other = decide(&local, &set(&["2/a"]), &kept, earlier, &config());
        assert!(
            matches!(other, Decision::Wait(Pending { syncs: 1, stood_s: 0, .. })),
            "another removal starts a new wait"
        );
        let photos = vec!["2/a".to_owned(), "3/a".to_owned()];
        let stood = Decision::Remove { photos, settled: true };
        assert_eq!(decide(&local, &listed, &kept, earlier, &config()), stood);
        let digest = pending.unwrap().digest;
        let confirmed = Before { confirmed: Some(&digest), ..first(&lately) };
        assert_eq!(decide(&local, &listed, &kept, confirmed, &config()), stood);
    }
}

#[test]
fn a_day_takes_its_time_whatever_the_clock_says() {
    let quarter = Duration::from_secs(900);
    assert_eq!(step(None, 1_000_000, quarter), Duration::ZERO);
    assert_eq!(step(Some(1_000_000), 1_000_900, quarter), quarter);
    assert_eq!(step(Some(1_000_000), 1_000_000 + 400 * 86_400, quarter), LONGEST_STEP);
    assert_eq!(step(Some(1_000_000), 5, quarter), Duration::ZERO);
    assert_eq!(step(Some(0), 86_400, DAY), DAY);
}

#[test]
fn what_is_lost_bit_by_bit_within_a_day_alarms() {
    let config = Photos { removal_limit: 0.3, ..Photos::default() };
    let mut local: BTreeSet<String> = (10..30).map(|roll| format!("{roll}/a")).collect();
    let mut lately = Lately::default();
    let mut removed = 0;
    for _ in 0..20 {
        lately.pass(HOUR, |_| false);
        let listed: BTreeSet<String> = local.iter().skip(local.len() * 3 / 10).cloned().collect();
        match decide(&local, &listed, &set(&[]), first(&lately), &config) {
            Decision::Remove { photos, .. } => {
                removed += photos.len();
                local.retain(|path| !photos.contains(path));
                lately.note(photos.iter().map(|path| student(path).to_owned()));
            }
            Decision::Wait(pending) => assert!(pending.lately > 0),
        }
    }
    assert_eq!(removed, 6, "three in ten of twenty, and no more");
    // The next day as many may go again.
    lately.pass(DAY, |_| false);
    assert_eq!(lately, Lately::default());
}

proptest! {
    #[test]
    fn only_what_is_gone_is_ever_removed(
        local in proptest::collection::btree_set("[1-6]/[ab]", 0..12),
        listed in proptest::collection::btree_set("[1-6]/[ab]", 0..12),
        kept in proptest::collection::btree_set("[1-6]", 0..3),
    ) {
        let lately = Lately::default();
        if let Decision::Remove { photos: gone, .. } = decide(&local, &listed, &kept, first(&lately), &config()) {
            prop_assert!(gone.iter().all(|path| local.contains(path) && !listed.contains(path) && !kept.contains(student(path))));
            prop_assert!(!listed.is_empty() || gone.is_empty());
            let students = |paths: &BTreeSet<String>| paths.iter().map(|path| student(path).to_owned()).collect::<BTreeSet<_>>();
            let before = students(&local);
            let left: BTreeSet<String> = local.iter().filter(|path| !gone.contains(path)).chain(&listed).cloned().collect();
            let lost = before.difference(&students(&left)).count();
            prop_assert!(lost as f32 <= 0.3 * before.len() as f32);
        }
    }

    #[test]
    fn no_day_takes_more_than_its_share(
        rounds in proptest::collection::vec((proptest::collection::btree_set(0..20_u8, 0..20), 0..4_u64), 1..24),
    ) {
        let config = Photos { removal_limit: 0.3, ..Photos::default() };
        let all: BTreeSet<String> = (0..20).map(|roll| format!("{roll}/a")).collect();
        let mut local = all.clone();
        let (mut lately, mut hours) = (Lately::default(), 0);
        // Whatever a server shows within a day, seven in ten of its students stay.
        for (missing, passed) in rounds {
            hours += passed;
            if hours >= 24 {
                break;
            }
            lately.pass(HOUR * passed as u32, |_| false);
            let listed: BTreeSet<String> =
                local.iter().filter(|path| !missing.iter().any(|roll| student(path) == roll.to_string())).cloned().collect();
            if let Decision::Remove { photos, .. } = decide(&local, &listed, &set(&[]), first(&lately), &config) {
                local.retain(|path| !photos.contains(path));
                lately.note(photos.iter().map(|path| student(path).to_owned()));
            }
            prop_assert!(local.len() >= 14, "{} left", local.len());
        }
    }
}
