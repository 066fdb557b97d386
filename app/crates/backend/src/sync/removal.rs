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
    /// What a technician is told about the removal while it waits.
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
    /// How much more time must pass before the removal is believed.
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
#[path = "removal_tests.rs"]
mod tests;
