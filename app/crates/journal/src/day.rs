//! The school day: when it begins, when it ends, and which day a moment belongs to. Pure.

use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

use crate::config::TimeOfDay;
use base::moment::SiteZone;

/// When the days of a site begin and end.
#[derive(Debug, Clone)]
pub struct SchoolDay {
    zone: SiteZone,
    starts: Time,
    ends: Option<Time>,
}

impl SchoolDay {
    /// Days from midnight to midnight.
    pub fn midnight(zone: SiteZone) -> Self {
        Self { zone, starts: Time::MIDNIGHT, ends: None }
    }

    /// Days that begin at `starts`; attendance closes at `ends`, or else when the next day begins.
    pub fn new(zone: SiteZone, starts: TimeOfDay, ends: Option<TimeOfDay>) -> Self {
        let ends = ends.filter(|ends| *ends != starts).map(TimeOfDay::time);
        Self { zone, starts: starts.time(), ends }
    }

    /// The site's zone.
    pub fn zone(&self) -> &SiteZone {
        &self.zone
    }

    /// The school day to which a moment belongs.
    pub fn date(&self, utc: OffsetDateTime) -> Date {
        let local = self.zone.local(utc);
        if local.time() < self.starts {
            local.date().previous_day().unwrap_or(Date::MIN)
        } else {
            local.date()
        }
    }

    /// Whether attendance of `date` is closed at `now` by the clock.
    pub fn is_over(&self, date: Date, now: OffsetDateTime) -> bool {
        let today = self.date(now);
        let past = |ends| self.since_start(self.zone.local(now).time()) >= self.since_start(ends);
        today > date || (today == date && self.ends.is_some_and(past))
    }

    /// Whether a moment lies at or after a time of day, counted from the beginning of its school day.
    pub fn is_from(&self, utc: OffsetDateTime, from: TimeOfDay) -> bool {
        self.since_start(self.zone.local(utc).time()) >= self.since_start(from.time())
    }

    /// `last`, or the last second of the school day `date`, in which `first` lies, where `last` is later:
    /// what goes on over the end of the day belongs to the day on which it began.
    pub(crate) fn within(&self, date: Date, first: OffsetDateTime, last: OffsetDateTime) -> OffsetDateTime {
        if self.date(last) == date {
            return last;
        }
        let (mut inside, mut outside) = (0, (last - first).whole_seconds());
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            let is_inside = self.date(first + time::Duration::seconds(middle)) == date;
            *(if is_inside { &mut inside } else { &mut outside }) = middle;
        }
        first + time::Duration::seconds(inside)
    }

    /// The time that is sent for a row of `date`: the backend counts by the calendar date, so what happened
    /// after midnight is sent as the last second of the school day.
    pub fn sent(date: Date, local: PrimitiveDateTime) -> PrimitiveDateTime {
        if local.date() <= date { local } else { PrimitiveDateTime::new(date, time::macros::time!(23:59:59)) }
    }

    /// The time at which a day closes, in words.
    pub fn closes(&self) -> String {
        match (self.ends, self.starts) {
            (None, starts) if starts == Time::MIDNIGHT => "midnight".to_owned(),
            (ends, starts) => TimeOfDay::of(ends.unwrap_or(starts)).to_string(),
        }
    }

    /// Whether the site has set a time at which the day closes.
    pub fn has_an_end(&self) -> bool {
        self.ends.is_some()
    }

    fn since_start(&self, time: Time) -> i64 {
        let seconds = |time: Time| (time - Time::MIDNIGHT).whole_seconds();
        (seconds(time) - seconds(self.starts)).rem_euclid(86_400)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::{date, datetime};

    use super::*;

    fn day(starts: &str, ends: Option<&str>) -> SchoolDay {
        let time = |text: &str| text.parse().unwrap();
        SchoolDay::new(SiteZone::named("Asia/Kolkata").unwrap(), time(starts), ends.map(time))
    }

    #[test]
    fn a_day_that_starts_at_four_has_the_hours_after_midnight() {
        let day = day("04:00", Some("02:00"));
        // 03:59 and 04:00 at the site.
        assert_eq!(day.date(datetime!(2026-11-28 22:29:00 UTC)), date!(2026 - 11 - 28));
        assert_eq!(day.date(datetime!(2026-11-28 22:30:00 UTC)), date!(2026 - 11 - 29));
        // It closes at 02:00 of the next calendar day.
        assert!(!day.is_over(date!(2026 - 11 - 28), datetime!(2026-11-28 20:29:59 UTC)));
        assert!(day.is_over(date!(2026 - 11 - 28), datetime!(2026-11-28 20:30:00 UTC)));
        let half_past_midnight = datetime!(2026-11-29 00:30:00);
        assert_eq!(
            SchoolDay::sent(date!(2026 - 11 - 28), half_past_midnight),
            datetime!(2026-11-28 23:59:59)
        );
        assert_eq!(SchoolDay::sent(date!(2026 - 11 - 29), half_past_midnight), half_past_midnight);
    }

    #[test]
    fn without_an_end_a_day_closes_when_the_next_one_begins() {
        let day = day("00:00", None);
        assert!(!day.is_over(date!(2026 - 11 - 28), datetime!(2026-11-28 18:29:59 UTC)));
        assert!(day.is_over(date!(2026 - 11 - 28), datetime!(2026-11-28 18:30:00 UTC)));
        assert_eq!(day.closes(), "midnight");
    }

    #[test]
    fn times_of_day_are_counted_from_the_start_of_the_day() {
        let day = day("04:00", None);
        let noon: TimeOfDay = "12:00".parse().unwrap();
        // 11:59 and 12:00, and 01:00 of the following night.
        assert!(!day.is_from(datetime!(2026-11-28 06:29:00 UTC), noon));
        assert!(day.is_from(datetime!(2026-11-28 06:30:00 UTC), noon));
        assert!(day.is_from(datetime!(2026-11-28 19:30:00 UTC), noon));
    }
}
