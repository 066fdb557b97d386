//! When photos that are gone from the server are removed here.
//!
//! A listing can be wrong: a disk not mounted, a proxy's own page, half a directory. So an empty listing
//! removes nothing, nor does a synchronisation with a fault; a student whose directory could not be read
//! loses nothing, and a removal that would take too many students waits until the listings of a whole day
//! agree about it or a technician confirms it.
//!
//! What is too many counts against the roster of a day ago: students that were removed within the last day
//! count as lost, too. Otherwise a server that loses a few students at each synchronisation would empty the
//! roster step by step without an alarm.
//!
//! A day is a day of synchronisations. Between two of them at most a few hours count, so that neither a clock
//! that jumps nor a device that was switched off makes a day of a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use base::event::Event;
use vision::photos::Photos;

/// How long listings must agree before a large removal is believed, and how long a removed student counts as
/// lost.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Longest time that counts between two synchronisations, unless the interval is longer.
const LONGEST_STEP: Duration = Duration::from_secs(2 * 3600);

/// The time that counts between two synchronisations: from `last` to `now`, by the device's clock.
pub(super) fn step(last: Option<u64>, now: u64, interval: Duration) -> Duration {
    let passed = last.map_or(0, |last| now.saturating_sub(last));
    Duration::from_secs(passed).min(LONGEST_STEP.max(interval + interval / 2))
}

/// The students that were removed within the last day, and how many seconds ago.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Lately(BTreeMap<String, u64>);

impl Lately {
    /// Lets time pass, and forgets who was removed more than a day ago or is `back`.
    pub(super) fn pass(&mut self, step: Duration, is_back: impl Fn(&str) -> bool) {
        self.0.retain(|student, ago| {
            *ago = ago.saturating_add(step.as_secs());
            *ago < DAY.as_secs() && !is_back(student)
        });
    }

    /// Notes who was removed now.
    pub(super) fn note(&mut self, students: impl IntoIterator<Item = String>) {
        self.0.extend(students.into_iter().map(|student| (student, 0)));
    }

    /// Forgets these students.
    pub(super) fn drop_students(&mut self, is_dropped: impl Fn(&str) -> bool) {
        self.0.retain(|student, _| !is_dropped(student));
    }

    /// Forgets all: a technician or a day of listings has said that they are gone.
    pub(super) fn settle(&mut self) {
        self.0.clear();
    }
}

/// A large removal that is not believed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Names the set of photos: a removal of other photos begins to wait again.
    pub(super) digest: String,
    /// Synchronisations in which it stood.
    pub(super) syncs: u32,
    /// For how long it stood, seconds of synchronisations.
    #[serde(default)]
    pub(super) stood_s: u64,
    /// Students removed in the last day, before it began to wait.
    #[serde(default)]
    pub(super) lately: usize,
    /// Photos that would go.
    pub(super) photos: usize,
    /// Students that would go.
    #[serde(default)]
    pub(super) students: usize,
    /// Students on the roster.
    #[serde(default)]
    pub(super) of: usize,
}

impl Pending {
    /// What a technician is told of it as long as it waits.
    pub(super) fn alarm(&self, config: &Photos) -> Alarm {
        Alarm {
            students: self.students,
            of: self.of,
            lately: self.lately,
            photos: self.photos,
            syncs: self.syncs,
            believed_after: config.removal_confirmations,
            believed_in: DAY.saturating_sub(Duration::from_secs(self.stood_s)),
        }
    }
}

/// Tells a technician that the server lacks many students.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Students that would be removed.
    pub students: usize,
    /// Students on the roster.
    pub of: usize,
    /// Further students that were removed within the last day.
    pub lately: usize,
    /// Photos that would be removed.
    pub photos: usize,
    /// Synchronisations in which the same photos were missing.
    pub syncs: u32,
    /// After fewer it is not believed.
    pub believed_after: u32,
    /// Before so much more time has passed it is not believed.
    pub believed_in: Duration,
}

impl Alarm {
    /// The event that tells of it.
    pub fn event(&self) -> Event {
        let lately = match self.lately {
            0 => String::new(),
            lately => format!("Within the last day {lately} others were removed already. "),
        };
        // Rounded up: "in 0 hours" would be now.
        let hours = self.believed_in.as_secs().div_ceil(3600).max(1);
        let advice = format!(
            "{lately}Check the server; if their {} photos are to go, confirm the removal (attendance sync --confirm-removal), \
             else it is believed when every listing of the next {hours} h lacks the same photos",
            self.photos
        );
        Event::RemovalWaits { students: self.students, of: self.of, advice }
    }
}

/// What is to be done about photos that the server does not list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Remove {
        /// These, few enough or believed.
        photos: Vec<String>,
        /// Whether it was a large removal that was believed: what came before it is settled, too.
        settled: bool,
    },
    Wait(Pending),
}

/// What is known from earlier synchronisations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before<'a> {
    /// What waited at the last synchronisation.
    pub(super) pending: Option<&'a Pending>,
    /// Who was removed within the last day.
    pub(super) lately: &'a Lately,
    /// The time since the last synchronisation, as far as it counts ([`step`]).
    pub(super) step: Duration,
    /// The digest that a technician confirmed.
    pub(super) confirmed: Option<&'a str>,
}

/// Decides. Paths are `<roll>/<file>`.
///
/// - `local`: photos on disk; `listed`: photos on the server, by the same paths; `kept`: students to leave
///   alone, because their directory could not be read or their new photo could not be fetched;
/// - `earlier`: what is known from earlier synchronisations.
pub(super) fn decide(
    local: &BTreeSet<String>,
    listed: &BTreeSet<String>,
    kept: &BTreeSet<String>,
    earlier: Before<'_>,
    config: &Photos,
) -> Decision {
    let few = |photos| Decision::Remove { photos, settled: false };
    if listed.is_empty() {
        return few(Vec::new());
    }
    let gone: Vec<String> =
        local.difference(listed).filter(|path| !kept.contains(student(path))).cloned().collect();
    let before: BTreeSet<&str> = local.iter().map(|path| student(path)).collect();
    let after: BTreeSet<&str> = listed
        .iter()
        .chain(local.difference(listed).filter(|path| kept.contains(student(path))))
        .map(|path| student(path))
        .collect();
    let lost = before.difference(&after).count();
    let lately = earlier
        .lately
        .0
        .keys()
        .filter(|gone| !before.contains(gone.as_str()) && !after.contains(gone.as_str()));
    let lately = lately.count();
    // The share is of students: a student who gets another photo loses nothing.
    if lost == 0 || (lost + lately) as f32 <= config.removal_limit * (before.len() + lately) as f32 {
        return few(gone);
    }
    let digest = digest(&gone);
    let (syncs, stood_s) = match earlier.pending.filter(|pending| pending.digest == digest) {
        Some(pending) => (pending.syncs + 1, pending.stood_s.saturating_add(earlier.step.as_secs())),
        None => (1, 0),
    };
    let has_stood = syncs > config.removal_confirmations && stood_s >= DAY.as_secs();
    if earlier.confirmed == Some(digest.as_str()) || has_stood {
        return Decision::Remove { photos: gone, settled: true };
    }
    let pending =
        Pending { digest, syncs, stood_s, lately, photos: gone.len(), students: lost, of: before.len() };
    Decision::Wait(pending)
}

/// The roll number at the front of a path below the mirror.
pub(super) fn student(path: &str) -> &str {
    path.split('/').next().unwrap_or("")
}

fn digest(paths: &[String]) -> String {
    let mut hash = Sha256::new();
    for path in paths {
        hash.update(path);
        hash.update([0]);
    }
    base::hexadecimal::hexadecimal(&hash.finalize())
}

#[cfg(test)]
mod tests {
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
        let decide = |listed: &[&str], kept: &[&str]| {
            decide(&local, &set(listed), &set(kept), first(&lately), &config())
        };
        assert_eq!(decide(&["1/a", "2/a", "3/a"], &[]), few(&["4/a"]));
        assert_eq!(decide(&[], &[]), few(&[]));
        assert_eq!(decide(&["1/a", "2/a", "3/a"], &["4"]), few(&[]));
        assert!(matches!(
            decide(&["1/a", "2/a"], &[]),
            Decision::Wait(Pending { students: 2, of: 4, photos: 2, .. })
        ));
        // A new photo in the place of an old one is no loss, for however many.
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
                "another removal begins anew"
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
}
