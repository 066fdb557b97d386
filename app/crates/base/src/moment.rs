//! When something happened, told in a way that survives a wrong clock, a restart and a change of zone.

mod checked;
mod doubt;
mod manual;
mod system;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, PrimitiveDateTime};
use tz::TimeZoneRef;

pub use checked::CheckedClock;
pub use doubt::{Believed, Doubt, DoubtKind};
pub use manual::ManualClock;
pub use system::{ClockTrust, EARLIEST, SystemClock, boot_id, since_boot};

/// A moment as the device knew it.
///
/// A Pi without a battery-backed clock starts in the past until NTP answers. The time since boot is always
/// right, so a moment carries both, and whether the wall clock could be trusted when it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The wall clock, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub utc: OffsetDateTime,
    /// Time since the kernel started (`CLOCK_BOOTTIME`), which never steps.
    pub since_boot: Duration,
    /// Whether the wall clock was known to be right.
    pub trusted: bool,
}

/// Where moments come from: the system, or a test.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Moment;
    /// Names this run of the kernel, so that times since boot of two boots are never compared.
    fn boot_id(&self) -> &str;
    /// Why the wall clock is not believed although it was set; none when it is believed, or was never set.
    fn doubt(&self) -> Option<Doubt> {
        None
    }
    /// Tells which time was believed last, before the program started.
    fn remember(&self, _believed: Believed) {}
    /// A second source tells the time: a doubt ends when it agrees with the wall clock.
    fn compare(&self, _told: OffsetDateTime) {}
    /// A person says that the wall clock is right. Gives whether there was a doubt.
    fn confirm(&self) -> bool {
        false
    }
}

/// The site's time zone, from the IANA data base: the site's, not the build machine's.
#[derive(Debug, Clone)]
pub struct SiteZone {
    name: String,
    zone: TimeZoneRef<'static>,
}

impl Default for SiteZone {
    /// UTC, as in a configuration that names none.
    fn default() -> Self {
        Self { name: "UTC".to_owned(), zone: tzdb::time_zone::UTC }
    }
}

/// The name is not in the time-zone data base.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is not a time zone; use a name of the IANA data base such as \"Asia/Kolkata\", \"Europe/Berlin\" or \"UTC\""
)]
pub struct UnknownZone {
    /// The name asked for.
    pub name: String,
}

impl SiteZone {
    /// Looks `name` up among the zones compiled into the program.
    ///
    /// # Errors
    /// [`UnknownZone`] when there is none of that name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let zone = tzdb::tz_by_name(name).ok_or_else(|| UnknownZone { name: name.to_owned() })?;
        Ok(Self { name: name.to_owned(), zone })
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `utc` as a clock on the site's wall shows it.
    pub fn local(&self, utc: OffsetDateTime) -> PrimitiveDateTime {
        let seconds =
            self.zone.find_local_time_type(utc.unix_timestamp()).map_or(0, tz::LocalTimeType::ut_offset);
        let shifted = utc.to_offset(time::UtcOffset::UTC) + time::Duration::seconds(seconds.into());
        PrimitiveDateTime::new(shifted.date(), shifted.time())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use time::macros::datetime;

    #[test]
    fn local_time_depends_on_the_site() {
        let utc = datetime!(2025-01-15 23:30:00 UTC);
        let local = |zone: &str| SiteZone::named(zone).unwrap().local(utc);
        assert_eq!(local("Asia/Kolkata"), datetime!(2025-01-16 05:00:00));
        assert_eq!(local("America/New_York"), datetime!(2025-01-15 18:30:00));
    }

    #[test]
    fn daylight_saving_changes_local_time_only() {
        let zone = SiteZone::named("Europe/Berlin").unwrap();
        assert_eq!(zone.local(datetime!(2025-03-30 00:59:59 UTC)), datetime!(2025-03-30 01:59:59));
        assert_eq!(zone.local(datetime!(2025-03-30 01:00:00 UTC)), datetime!(2025-03-30 03:00:00));
        assert_eq!(zone.local(datetime!(2025-10-26 00:30:00 UTC)), datetime!(2025-10-26 02:30:00));
        assert_eq!(zone.local(datetime!(2025-10-26 01:30:00 UTC)), datetime!(2025-10-26 02:30:00));
    }

    #[test]
    fn unknown_zone_error_says_what_is_allowed() {
        assert!(SiteZone::named("Mars/Base").unwrap_err().to_string().contains("IANA"));
    }
}
