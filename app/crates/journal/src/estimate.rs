//! The time of rows that were seen while the wall clock was unknown: pure.

use std::time::Duration;

use time::OffsetDateTime;

use crate::row::Stamp;

/// The wall-clock time of a moment of the same boot as `known`, whose wall clock was right: exact.
pub(super) fn measured(since_boot: Duration, known: &Stamp) -> OffsetDateTime {
    known.utc - known.since_boot + since_boot
}

/// The best guess for the times of a boot that ended before its clock was known.
///
/// `seen` are its rows in order. The boot began after `floor`, the last time that was known before it, and
/// ended before `ceiling`, when the first boot with a known time began. Within these bounds a row's own wall
/// clock is taken where it lies between them (a hardware clock may have been right without anybody to vouch
/// for it); else the earliest possible time, as if the power had been away only for an instant: power cuts
/// are mostly short.
pub(super) fn estimated(
    seen: &[Stamp],
    floor: OffsetDateTime,
    ceiling: OffsetDateTime,
) -> Vec<OffsetDateTime> {
    let Some(end) = seen.iter().map(|at| at.since_boot).max() else { return Vec::new() };
    seen.iter()
        .map(|at| {
            let latest = ceiling - (end - at.since_boot);
            let earliest = (floor + at.since_boot).min(latest);
            if (earliest..=latest).contains(&at.utc) { at.utc } else { earliest }
        })
        .collect()
}

/// The earliest and the latest time that each of them can have.
pub(super) fn bounds(
    seen: &[Stamp],
    floor: OffsetDateTime,
    ceiling: OffsetDateTime,
) -> Vec<(OffsetDateTime, OffsetDateTime)> {
    let Some(end) = seen.iter().map(|at| at.since_boot).max() else { return Vec::new() };
    seen.iter()
        .map(|at| {
            let latest = ceiling - (end - at.since_boot);
            ((floor + at.since_boot).min(latest), latest)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn stamp(utc: OffsetDateTime, since_boot: u64) -> Stamp {
        Stamp { utc, since_boot: Duration::from_secs(since_boot), boot: "b".into() }
    }

    #[test]
    fn within_a_boot_the_time_is_exact() {
        let known = stamp(datetime!(2025-01-15 09:00:00 UTC), 600);
        assert_eq!(measured(Duration::from_secs(60), &known), datetime!(2025-01-15 08:51:00 UTC));
        assert_eq!(measured(Duration::from_secs(660), &known), datetime!(2025-01-15 09:01:00 UTC));
    }

    #[test]
    fn a_lost_boot_is_placed_between_its_neighbours() {
        let floor = datetime!(2025-01-15 17:00:00 UTC);
        let ceiling = datetime!(2025-01-16 08:00:00 UTC);
        let from_1970 =
            [stamp(datetime!(1970-01-01 00:01:00 UTC), 60), stamp(datetime!(1970-01-01 00:10:00 UTC), 600)];
        assert_eq!(
            estimated(&from_1970, floor, ceiling),
            [datetime!(2025-01-15 17:01:00 UTC), datetime!(2025-01-15 17:10:00 UTC)]
        );
        let plausible = [stamp(datetime!(2025-01-16 07:30:00 UTC), 60)];
        assert_eq!(estimated(&plausible, floor, ceiling), [datetime!(2025-01-16 07:30:00 UTC)]);
        let from_the_future = [stamp(datetime!(2031-01-16 07:30:00 UTC), 60)];
        assert_eq!(estimated(&from_the_future, floor, ceiling), [datetime!(2025-01-15 17:01:00 UTC)]);
        // A floor that is later than the ceiling is wrong: an estimate is never after the present.
        assert_eq!(
            estimated(&from_1970, datetime!(2099-01-01 00:00:00 UTC), ceiling),
            [datetime!(2025-01-16 07:51:00 UTC), datetime!(2025-01-16 08:00:00 UTC)]
        );
        assert!(estimated(&[], floor, ceiling).is_empty());
    }
}
