//! How old the photos are, as `attendance check-photos` says it.

use backend::sync::LastSync;
use base::moment::SiteZone;
use serde::Serialize;
use time::OffsetDateTime;
use time::PrimitiveDateTime;

use config::Config;

/// Photos that were synchronised so many minutes ago at most are fresh: two intervals by default, as in the
/// original.
const FRESH_MINUTES: i64 = 10;

/// The state of the mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CacheStatus {
    /// Local time of the last synchronisation that worked; none before the first.
    last_synced: Option<String>,
    /// Whole minutes since then.
    minutes_ago: Option<i64>,
    /// Whether that is no more than ten.
    fresh: bool,
    /// Pictures here.
    images: usize,
    /// Students that they are of.
    students: usize,
}

impl CacheStatus {
    /// The state of the mirror, which holds `images` photos of `students` students. `None` if the photos come
    /// from a folder of the site's own: they are never out of date.
    pub(super) fn of(config: &Config, images: usize, students: usize) -> Option<Self> {
        config.photos.url.as_ref()?;
        let zone = SiteZone::named(&config.site.time_zone).unwrap_or_default();
        let last = LastSync::read(&config.site.data_dir, &zone);
        Some(Self::at(last, zone.local(OffsetDateTime::now_utc()), images, students))
    }

    fn at(last: Option<LastSync>, now: PrimitiveDateTime, images: usize, students: usize) -> Self {
        let minutes_ago = last.as_ref().map(|last| last.minutes_ago(now));
        Self {
            last_synced: last.map(|last| journal::storage::timestamp(last.at)),
            fresh: minutes_ago.is_some_and(|minutes| (0..=FRESH_MINUTES).contains(&minutes)),
            minutes_ago,
            images,
            students,
        }
    }

    /// In words, line by line.
    pub(super) fn text(&self) -> String {
        let last = match (&self.last_synced, self.minutes_ago) {
            (Some(at), Some(minutes)) => format!("{at} ({minutes} minutes ago)"),
            _ => "never".to_owned(),
        };
        let verdict = match self.minutes_ago {
            Some(_) if self.fresh => "Cache is fresh".to_owned(),
            Some(minutes) if minutes < 0 => {
                "The last synchronisation is in the future; check this device's clock".to_owned()
            }
            Some(minutes) => format!(
                "Cache is {minutes} minutes old; check that the appliance runs, or run `attendance sync`: it says \
                 what is wrong"
            ),
            None => "There is no cache yet; run `attendance sync`".to_owned(),
        };
        format!(
            "Cache status:\n   Last synced: {last}\n   Images cached: {}, of {} students\n{verdict}\n\n",
            self.images, self.students
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn photos_are_fresh_for_ten_minutes() {
        let last = || Some(LastSync { at: datetime!(2025-11-09 10:00:15.123456), images: 47 });
        let at = |now| CacheStatus::at(last(), now, 47, 40);
        let text = at(datetime!(2025-11-09 10:02:20)).text();
        assert!(text.contains("Last synced: 2025-11-09 10:00:15 (2 minutes ago)\n"), "{text}");
        assert!(text.contains("Images cached: 47, of 40 students\nCache is fresh\n"), "{text}");
        assert!(at(datetime!(2025-11-09 10:10:16)).fresh);
        let old = at(datetime!(2025-11-09 10:11:16));
        assert!(!old.fresh && old.text().contains("Cache is 11 minutes old"), "{}", old.text());
        assert!(!at(datetime!(2025-11-09 09:00:00)).fresh, "the clock was set back");
        let never = CacheStatus::at(None, datetime!(2025-11-09 10:00:00), 0, 0);
        assert!(!never.fresh && never.text().contains("Last synced: never\n"), "{}", never.text());
    }
}
