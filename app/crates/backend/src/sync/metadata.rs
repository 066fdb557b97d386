//! `.cache_metadata.json`: the last synchronisation in numbers, as scripts of the original read it.

use std::path::Path;

use base::moment::SiteZone;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::mirror::{FOLDER, METADATA};

/// Largest file read back; a written one has some 300 bytes.
const MAX_BYTES: u64 = 100_000;

/// The file, field for field as the original wrote it. Only a synchronisation that worked is noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Metadata {
    /// Local time of the site without a zone, `2025-11-09T10:00:15.123456`: what Python's `isoformat` writes.
    pub(super) last_sync: String,
    /// Without its credential.
    pub(super) source_url: String,
    pub(super) total_images: usize,
    pub(super) downloaded: usize,
    pub(super) updated: usize,
    pub(super) skipped: usize,
    pub(super) removed: usize,
    pub(super) failed: usize,
}

/// When the mirror was last brought up to date, and what it held then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSync {
    /// Local time of the site.
    pub at: PrimitiveDateTime,
    /// Photos in the mirror.
    pub images: usize,
}

impl LastSync {
    /// What the mirror below `data_dir` says; `None` before the first synchronisation, and when its file is
    /// damaged.
    pub fn read(data_dir: &Path, zone: &SiteZone) -> Option<Self> {
        let path = data_dir.join(FOLDER).join(METADATA);
        if std::fs::metadata(&path).ok()?.len() > MAX_BYTES {
            return None;
        }
        let metadata: Metadata = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        Some(Self { at: read(&metadata.last_sync, zone)?, images: metadata.total_images })
    }

    /// Whole minutes from the last synchronisation to `now`; negative for a time to come, which a clock that
    /// was corrected leaves.
    pub fn minutes_ago(&self, now: PrimitiveDateTime) -> i64 {
        (now - self.at).whole_minutes()
    }
}

/// `utc` at the site, as the original writes it.
pub(super) fn written(utc: OffsetDateTime, zone: &SiteZone) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");
    zone.local(utc).format(form).unwrap_or_default()
}

/// Reads a time as it is written, and as earlier versions wrote it: in UTC, with a zone.
fn read(text: &str, zone: &SiteZone) -> Option<PrimitiveDateTime> {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]]");
    let local = PrimitiveDateTime::parse(text, form).ok();
    local.or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok().map(|utc| zone.local(utc)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use time::macros::datetime;

    #[test]
    fn times_are_local_without_a_zone_and_those_of_earlier_versions_are_read() {
        let zone = SiteZone::named("Asia/Kolkata").unwrap();
        let text = written(datetime!(2025-11-09 04:30:15.123456789 UTC), &zone);
        assert_eq!(text, "2025-11-09T10:00:15.123456");
        assert_eq!(read(&text, &zone), Some(datetime!(2025-11-09 10:00:15.123456)));
        assert_eq!(read("2025-11-09T10:00:15", &zone), Some(datetime!(2025-11-09 10:00:15)));
        assert_eq!(read("2025-11-09T04:30:15Z", &zone), Some(datetime!(2025-11-09 10:00:15)));
        assert_eq!(read("yesterday", &zone), None);
    }
}
