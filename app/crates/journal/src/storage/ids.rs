//! Sets of row numbers that are nearly without holes.

use std::collections::BTreeMap;

/// A set kept as ranges: 800,000 delivered rows in a few entries.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Ids(BTreeMap<u64, u64>);

impl Ids {
    /// Adds `id`.
    pub(super) fn insert(&mut self, id: u64) {
        if self.contains(id) {
            return;
        }
        let start = match self.0.range(..id).next_back() {
            Some((start, end)) if end + 1 == id => *start,
            _ => id,
        };
        let end = id.checked_add(1).and_then(|next| self.0.remove(&next)).unwrap_or(id);
        self.0.insert(start, end);
    }

    /// Whether `id` is in it.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.0.range(..=id).next_back().is_some_and(|(_, end)| id <= *end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(prop_oneof![0u64..40, Just(u64::MAX)], 0..60)) {
            let mut ids = Ids::default();
            numbers.iter().for_each(|id| ids.insert(*id));
            let set: BTreeSet<u64> = numbers.into_iter().collect();
            prop_assert!((0..42).all(|id| ids.contains(id) == set.contains(&id)));
            let holes = set.iter().filter(|id| **id < u64::MAX && !set.contains(&(**id + 1)) ).count();
            prop_assert!(ids.0.len() <= holes + 1);
        }
    }
}
