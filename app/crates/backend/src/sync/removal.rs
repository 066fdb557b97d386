//! When photos that are gone from the server are removed here.
//!
//! A listing can be wrong: a disk not mounted, a proxy's own page, half a directory. So an empty listing
//! removes nothing, nor does a synchronisation with a fault; a student whose directory could not be read
//! loses nothing, and a removal that would take too many students waits until it has stood for some
//! synchronisations or a technician confirms it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use base::event::Event;
use vision::photos::Photos;

/// A large removal that is not believed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Names the set of photos: a removal of other photos begins to wait anew.
    pub(super) digest: String,
    /// Synchronisations in which it stood.
    pub(super) syncs: u32,
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
            photos: self.photos,
            syncs: self.syncs,
            believed_after: config.removal_confirmations,
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
    /// Photos that would be removed.
    pub photos: usize,
    /// Synchronisations in which the same photos were missing.
    pub syncs: u32,
    /// After so many it is believed.
    pub believed_after: u32,
}

impl Alarm {
    /// The event that tells of it.
    pub fn event(&self) -> Event {
        let advice = format!(
            "Check the server; if their {} photos are to go, confirm the removal (attendance sync --confirm-removal), else it \
             is believed after {} synchronisations (this was number {})",
            self.photos, self.believed_after, self.syncs
        );
        Event::RemovalWaits { students: self.students, of: self.of, advice }
    }
}

/// What is to be done about photos that the server does not list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Remove(Vec<String>),
    Wait(Pending),
}

/// Decides. Paths are `<roll>/<file>`.
///
/// - `local`: photos on disk; `listed`: photos on the server, by the same paths; `kept`: students to leave
///   alone, because their directory could not be read or their new photo could not be fetched;
/// - `pending`: what waited at the last synchronisation; `confirmed`: the digest that a technician confirmed.
pub(super) fn decide(
    local: &BTreeSet<String>,
    listed: &BTreeSet<String>,
    kept: &BTreeSet<String>,
    pending: Option<&Pending>,
    confirmed: Option<&str>,
    config: &Photos,
) -> Decision {
    if listed.is_empty() {
        return Decision::Remove(Vec::new());
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
    // The share is of students: a student who gets another photo loses nothing.
    if lost as f32 <= config.removal_limit * before.len() as f32 {
        return Decision::Remove(gone);
    }
    let digest = digest(&gone);
    let syncs = pending.filter(|pending| pending.digest == digest).map_or(0, |pending| pending.syncs) + 1;
    if confirmed == Some(digest.as_str()) || syncs > config.removal_confirmations {
        return Decision::Remove(gone);
    }
    Decision::Wait(Pending { digest, syncs, photos: gone.len(), students: lost, of: before.len() })
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
    super::hexadecimal(&hash.finalize())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn set(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    fn config() -> Photos {
        Photos { removal_limit: 0.3, removal_confirmations: 3, ..Photos::default() }
    }

    #[test]
    fn what_is_gone_goes_unless_it_is_too_much() {
        let local = set(&["1/a", "2/a", "3/a", "4/a"]);
        let decide =
            |listed: &[&str], kept: &[&str]| decide(&local, &set(listed), &set(kept), None, None, &config());
        assert_eq!(decide(&["1/a", "2/a", "3/a"], &[]), Decision::Remove(vec!["4/a".to_owned()]));
        assert_eq!(decide(&[], &[]), Decision::Remove(vec![]));
        assert_eq!(decide(&["1/a", "2/a", "3/a"], &["4"]), Decision::Remove(vec![]));
        assert!(matches!(
            decide(&["1/a", "2/a"], &[]),
            Decision::Wait(Pending { students: 2, of: 4, photos: 2, .. })
        ));
        // A new photo in the place of an old one is no loss, for however many.
        assert!(
            matches!(decide(&["1/b", "2/b", "3/b", "4/b"], &[]), Decision::Remove(gone) if gone.len() == 4)
        );
    }

    #[test]
    fn a_large_removal_is_believed_when_it_stands_or_is_confirmed() {
        let (local, listed, kept) = (set(&["1/a", "2/a", "3/a"]), set(&["1/a"]), set(&[]));
        let mut pending = None;
        for number in 1..=3 {
            match decide(&local, &listed, &kept, pending.as_ref(), Some("other"), &config()) {
                Decision::Wait(next) => {
                    assert_eq!(next.alarm(&config()).syncs, number);
                    pending = Some(next);
                }
                Decision::Remove(_) => panic!("believed at synchronisation {number}"),
            }
        }
        let other = decide(&local, &set(&["2/a"]), &kept, pending.as_ref(), None, &config());
        assert!(matches!(other, Decision::Wait(Pending { syncs: 1, .. })), "another removal begins anew");
        let stood = decide(&local, &listed, &kept, pending.as_ref(), None, &config());
        assert_eq!(stood, Decision::Remove(vec!["2/a".to_owned(), "3/a".to_owned()]));
        let digest = pending.unwrap().digest;
        let confirmed = decide(&local, &listed, &kept, None, Some(&digest), &config());
        assert_eq!(confirmed, stood);
    }

    proptest! {
        #[test]
        fn only_what_is_gone_is_ever_removed(
            local in proptest::collection::btree_set("[1-6]/[ab]", 0..12),
            listed in proptest::collection::btree_set("[1-6]/[ab]", 0..12),
            kept in proptest::collection::btree_set("[1-6]", 0..3),
        ) {
            if let Decision::Remove(gone) = decide(&local, &listed, &kept, None, None, &config()) {
                prop_assert!(gone.iter().all(|path| local.contains(path) && !listed.contains(path) && !kept.contains(student(path))));
                prop_assert!(!listed.is_empty() || gone.is_empty());
                let students = |paths: &BTreeSet<String>| paths.iter().map(|path| student(path).to_owned()).collect::<BTreeSet<_>>();
                let before = students(&local);
                let left: BTreeSet<String> = local.iter().filter(|path| !gone.contains(path)).chain(&listed).cloned().collect();
                let lost = before.difference(&students(&left)).count();
                prop_assert!(lost as f32 <= 0.3 * before.len() as f32);
            }
        }
    }
}
