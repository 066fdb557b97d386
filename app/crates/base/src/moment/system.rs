//! The device's own clock, and when it may be believed.
//!
//! A wall clock is believed when a time server answered since boot, or when a battery-backed hardware clock
//! kept the time, or when the site says so. Nothing else tells a right clock from one that systemd moved from
//! 1970 to the time of the last shutdown: such a clock looks plausible and is hours or weeks late.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{Clock, Moment};

/// No appliance was built before. An earlier clock was never set.
pub const EARLIEST: OffsetDateTime = datetime!(2025-01-01 00:00:00 UTC);

/// How often the signs of a trustworthy clock are looked for until they are there: soon enough for the first
/// person at the door, seldom enough to cost nothing beside a camera.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A hardware clock counts whole seconds, and reading both clocks takes a moment.
const RTC_TOLERANCE: Duration = Duration::from_secs(3);

/// When the device's clock is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockTrust {
    /// After a time server answered since boot, or when a battery-backed hardware clock kept the time.
    Automatic,
    /// Always, once it shows a time at which this program existed.
    System,
}

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock {
    signs: Signs,
    boot_id: String,
    trusted: AtomicBool,
    next_look_ms: AtomicU64,
}

/// Where the signs of a trustworthy clock lie.
#[derive(Debug)]
struct Signs {
    trust: ClockTrust,
    /// systemd-timesyncd makes this file when a server answered; `/run` is empty after a boot.
    synchronised: PathBuf,
    /// Folders of the hardware clocks.
    hardware_clocks: PathBuf,
}

/// Time since the kernel started.
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// The name of this start of the machine. Without one, every start of the program counts as one of the
/// machine: times since boot are compared less often than they could be, and never wrongly.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .ok()
        .filter(|text| !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic()))
        .unwrap_or_else(|| format!("unnamed-{:016x}", fastrand::u64(..)))
}

impl SystemClock {
    /// The system's clock, believed as the site chose.
    pub fn new(trust: ClockTrust) -> Self {
        let signs = Signs {
            trust,
            synchronised: PathBuf::from("/run/systemd/timesync/synchronized"),
            hardware_clocks: PathBuf::from("/sys/class/rtc"),
        };
        Self { signs, boot_id: boot_id(), trusted: AtomicBool::new(false), next_look_ms: AtomicU64::new(0) }
    }

    /// Whether the clock may be believed; once it may, it stays so until the next boot.
    fn trusted(&self, utc: OffsetDateTime, since_boot: Duration) -> bool {
        if self.trusted.load(Ordering::Relaxed) {
            return true;
        }
        let now_ms = u64::try_from(since_boot.as_millis()).unwrap_or(u64::MAX);
        if now_ms < self.next_look_ms.load(Ordering::Relaxed) {
            return false;
        }
        self.next_look_ms.store(now_ms.saturating_add(LOOK_EVERY.as_millis() as u64), Ordering::Relaxed);
        let trusted = self.signs.show(utc);
        self.trusted.store(trusted, Ordering::Relaxed);
        trusted
    }

    /// The present, as `read` gives wall clock and time since boot.
    fn moment(&self, mut read: impl FnMut() -> (OffsetDateTime, Duration)) -> Moment {
        let (utc, since_boot) = read();
        let trusted = self.trusted(utc, since_boot);
        // Once more: the first time may be from before the clock was set, and the sign from after it.
        let (utc, since_boot) = read();
        Moment { utc, since_boot, trusted }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        self.moment(|| {
            let since_boot = clock_gettime(ClockId::Boottime);
            let since_boot = Duration::new(
                u64::try_from(since_boot.tv_sec).unwrap_or(0),
                u32::try_from(since_boot.tv_nsec).unwrap_or(0),
            );
            (OffsetDateTime::now_utc(), since_boot)
        })
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

impl Signs {
    fn show(&self, utc: OffsetDateTime) -> bool {
        // 1970 is never right.
        utc >= EARLIEST
            && match self.trust {
                ClockTrust::System => true,
                ClockTrust::Automatic => self.synchronised.exists() || self.a_hardware_clock_agrees(utc),
            }
    }

    /// A hardware clock without a battery starts in 1970 (or 2000) after every power cut and then disagrees
    /// with a system clock that was moved forward; with a battery it has the time itself.
    fn a_hardware_clock_agrees(&self, utc: OffsetDateTime) -> bool {
        let Ok(clocks) = std::fs::read_dir(&self.hardware_clocks) else { return false };
        clocks.flatten().filter_map(|clock| seconds(&clock.path().join("since_epoch"))).any(|seconds| {
            OffsetDateTime::from_unix_timestamp(seconds)
                .is_ok_and(|rtc| rtc >= EARLIEST && (rtc - utc).abs() <= RTC_TOLERANCE)
        })
    }
}

fn seconds(file: &Path) -> Option<i64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn signs(folder: &Path) -> Signs {
        Signs {
            trust: ClockTrust::Automatic,
            synchronised: folder.join("synchronized"),
            hardware_clocks: folder.join("rtc"),
        }
    }

    #[test]
    fn system_clock_advances_and_names_its_boot() {
        let clock = SystemClock::new(ClockTrust::System);
        let (first, second) = (clock.now(), clock.now());
        assert!(first.trusted && second.since_boot >= first.since_boot);
        assert!(!clock.boot_id().is_empty());
    }

    #[test]
    fn clock_without_source_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let signs = signs(folder.path());
        let utc = datetime!(2026-05-05 05:05:05 UTC);
        assert!(!signs.show(utc));
        std::fs::write(folder.path().join("synchronized"), "").unwrap();
        assert!(signs.show(utc));
        assert!(!signs.show(datetime!(1970-01-01 00:01:00 UTC)));
        let system = Signs { trust: ClockTrust::System, ..signs };
        assert!(system.show(utc) && !system.show(datetime!(1970-01-01 00:01:00 UTC)));
    }

    #[test]
    fn hardware_clock_that_kept_time_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let rtc = folder.path().join("rtc/rtc0");
        std::fs::create_dir_all(&rtc).unwrap();
        let signs = signs(folder.path());
        let utc = datetime!(2026-05-05 05:05:05 UTC);
        for (since_epoch, believed) in
            [("57\n", false), ("946684800\n", false), ("garbage", false), ("1777957506\n", true)]
        {
            std::fs::write(rtc.join("since_epoch"), since_epoch).unwrap();
            assert_eq!(signs.show(utc), believed, "{since_epoch}");
        }
    }

    #[test]
    fn time_before_the_clock_was_set_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock { signs: signs(folder.path()), ..SystemClock::new(ClockTrust::Automatic) };
        let (late, right) = (datetime!(2026-05-05 05:05:05 UTC), datetime!(2026-05-06 07:00:00 UTC));
        let mut utc = late;
        let moment = clock.moment(|| {
            let read = utc;
            // The time server answers just after the clock was read.
            utc = right;
            std::fs::write(folder.path().join("synchronized"), "").unwrap();
            (read, Duration::from_secs(10))
        });
        assert_eq!((moment.utc, moment.trusted), (right, true));
    }

    #[test]
    fn clock_signs_are_cached() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock { signs: signs(folder.path()), ..SystemClock::new(ClockTrust::Automatic) };
        let utc = datetime!(2026-05-05 05:05:05 UTC);
        assert!(!clock.trusted(utc, Duration::from_secs(10)));
        std::fs::write(folder.path().join("synchronized"), "").unwrap();
        assert!(!clock.trusted(utc, Duration::from_millis(10_900)));
        assert!(clock.trusted(utc, Duration::from_millis(11_000)));
    }
}
