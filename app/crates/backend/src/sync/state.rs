//! What is remembered from one synchronisation to the next, beside the photos themselves.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use super::removal::{Lately, Pending};
use crate::http::Reply;
use base::erasure::Erased;
use vision::photo::PhotoLimits;

/// The state file. Lost or damaged, it costs one synchronisation in which every photo is fetched and
/// compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// Each photo on disk, by its path below the mirror.
    pub(super) photos: BTreeMap<String, Known>,
    /// Photos on the server that were fetched and found unusable.
    pub(super) refused: BTreeMap<String, Refusal>,
    /// A large removal that waits to be believed.
    pub(super) pending: Option<Pending>,
    /// Students that were removed within the last day.
    pub(super) lately: Lately,
    /// What names the version of the students' list that is here.
    pub(super) students: Option<Validators>,
    /// When the last listing arrived that decided about removals, seconds since 1970.
    pub(super) listed_at: Option<u64>,
}

impl State {
    /// The state without these students; none where it knows none of them.
    pub(super) fn without(&self, erased: &Erased) -> Option<Self> {
        let mut left = self.clone();
        left.photos.retain(|path, _| !erased.in_path(path, 0));
        // What a server says of a photo may name it.
        left.refused.retain(|path, _| !erased.in_path(path, 0));
        left.lately.drop_students(|student| erased.is(student));
        // The list is fetched again, without them.
        left.students = None;
        (left != *self).then_some(Self { pending: None, ..left })
    }
}

/// A photo on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its path on the server, below the base.
    pub(super) remote: String,
    /// Bytes.
    pub(super) length: u64,
    /// SHA-256 of its content, hexadecimal.
    pub(super) sha256: String,
    /// How the server can be asked whether it changed.
    pub(super) validators: Option<Validators>,
    /// When its content was last compared with the server's, seconds since 1970; 0: it is to be compared.
    #[serde(default)]
    pub(super) compared: u64,
    /// When the copy here was last read as a whole, seconds since 1970.
    #[serde(default)]
    pub(super) read: u64,
}

/// An unusable photo, remembered so that it is not fetched again until it or the limits change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) remote: String,
    pub(super) reason: String,
    pub(super) validators: Validators,
    /// Largest file and most pixels that were allowed.
    pub(super) limits: (u64, u64),
    /// When it was last fetched, seconds since 1970; 0: it is to be fetched.
    #[serde(default)]
    pub(super) compared: u64,
}

impl Refusal {
    pub(super) fn was_under(&self, limits: PhotoLimits) -> bool {
        self.limits == (limits.max_bytes, limits.max_pixels)
    }
}

/// What names a version of a file (RFC 9110 §8.8), as far as the server says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// The announced length.
    pub(super) length: Option<u64>,
}

/// Whether two sets of validators name the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They do.
    Same,
    /// The length is the same, and nothing else is told: an edit may have kept it.
    SameLength,
    /// They do not, or cannot be compared.
    Changed,
}

impl Validators {
    /// The validators of a reply.
    pub(super) fn of(reply: &Reply) -> Self {
        let text = |name: &HeaderName| reply.header(name).map(str::to_owned);
        Self { etag: text(&ETAG), last_modified: text(&LAST_MODIFIED), length: reply.content_length() }
    }

    /// The validators of a reply that are kept with the received content, and whether they can be relied on.
    ///
    /// A file that was modified in the very second in which it was served may be modified again in that
    /// second, with the same time stamp; nginx's ETag is made of the same time stamp. So these are not kept
    /// (RFC 9110 §8.8.2.2), and the next synchronisation compares the content.
    pub(super) fn to_keep(reply: &Reply) -> (Self, bool) {
        let validators = Self::of(reply);
        let same_second = |modified: &str| reply.header(&DATE).is_some_and(|date| date == modified);
        if validators.last_modified.as_deref().is_some_and(same_second) {
            return (Self { etag: None, last_modified: None, ..validators }, false);
        }
        (validators, true)
    }

    /// Makes a request conditional on the ETag. Not on the time: a server answers "not modified" to
    /// `If-Modified-Since` for every file that is not newer, also for another, older one (Django's static
    /// view, Python's http.server, rclone).
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        if let Some(value) = self.etag.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(IF_NONE_MATCH, value);
        }
    }

    /// Whether a reply, to a request without a condition, names the same version.
    pub(super) fn compare(&self, current: &Self) -> Verdict {
        let lengths = self.length.zip(current.length);
        if lengths.is_some_and(|(one, other)| one != other) {
            return Verdict::Changed;
        }
        // A date that moved is a change in either direction, also under the same ETag: some are made of the
        // size.
        if self.is_contradicted_by(current) {
            return Verdict::Changed;
        }
        let same = match (&self.etag, &current.etag, &self.last_modified, &current.last_modified) {
            (Some(one), Some(other), _, _) => opaque(one) == opaque(other),
            (None, None, Some(_), Some(_)) => true,
            (None, None, None, None) if lengths.is_some() => return Verdict::SameLength,
            _ => false,
        };
        if same { Verdict::Same } else { Verdict::Changed }
    }

    /// Whether a reply tells another date than the one that is known, though it may say "not modified".
    pub(super) fn is_contradicted_by(&self, unmodified: &Self) -> bool {
        self.last_modified
            .as_ref()
            .zip(unmodified.last_modified.as_ref())
            .is_some_and(|(one, other)| one != other)
    }
}

/// An ETag without its mark of weakness: the bytes of a photo do not change while it looks the same.
fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// Longest time between two looks at a content, seconds.
const DAY: u64 = 24 * 3600;

/// Whether a content that was last looked at `then` is to be looked at again `now`, seconds since 1970.
///
/// Each at least once a day, when synchronisations come every `interval`, and not all at once: the time
/// between two looks is half a day and, by its path, up to another half.
pub(super) fn is_due(then: u64, now: u64, path: &str, interval: Duration) -> bool {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let wait = DAY / 2 + hasher.finish() % (DAY / 2);
    // A clock that was set back tells nothing about the time that passed.
    now < then || now - then + interval.as_secs() >= wait
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn validators(etag: Option<&str>, modified: Option<&str>, length: Option<u64>) -> Validators {
        Validators { etag: etag.map(str::to_owned), last_modified: modified.map(str::to_owned), length }
    }

    #[test]
    fn a_date_in_either_direction_and_another_length_mean_changed() {
        let (june, july) = (Some("Mon, 01 Jun 2026 08:00:00 GMT"), Some("Wed, 01 Jul 2026 08:00:00 GMT"));
        for (before, after, verdict) in [
            (validators(None, july, Some(5)), validators(None, july, Some(5)), Verdict::Same),
            (validators(None, july, Some(5)), validators(None, july, None), Verdict::Same),
            (validators(None, july, Some(5)), validators(None, june, Some(5)), Verdict::Changed),
            (validators(None, june, Some(5)), validators(None, july, Some(5)), Verdict::Changed),
            (validators(None, july, Some(5)), validators(None, july, Some(6)), Verdict::Changed),
            (validators(Some("\"a\""), june, None), validators(Some("W/\"a\""), june, None), Verdict::Same),
            (
                validators(Some("\"a\""), None, Some(5)),
                validators(Some("\"a\""), None, Some(6)),
                Verdict::Changed,
            ),
            (validators(Some("\"a\""), None, None), validators(Some("\"b\""), None, None), Verdict::Changed),
            (validators(None, None, Some(5)), validators(None, None, Some(5)), Verdict::SameLength),
            (validators(None, None, None), validators(None, None, None), Verdict::Changed),
            (validators(None, july, Some(5)), validators(None, None, Some(5)), Verdict::Changed),
        ] {
            assert_eq!(before.compare(&after), verdict, "{before:?} {after:?}");
        }
        assert!(validators(Some("\"a\""), july, None).is_contradicted_by(&validators(None, june, None)));
        assert!(!validators(Some("\"a\""), july, None).is_contradicted_by(&Validators::default()));
    }

    proptest! {
        #[test]
        fn each_content_is_looked_at_once_a_day_and_not_at_each_synchronisation(
            path in "[0-9]{7}/[a-z]{1,5}\\.jpg", minutes in 1..60_u64,
        ) {
            let (interval, start) = (Duration::from_secs(60 * minutes), 1_790_000_000);
            let (mut looked, mut looks, mut now) = (start, 0, start);
            while now < start + 10 * DAY {
                now += interval.as_secs();
                if is_due(looked, now, &path, interval) {
                    prop_assert!(now - looked <= DAY);
                    (looked, looks) = (now, looks + 1);
                }
            }
            prop_assert!((9..=22).contains(&looks), "{} looks in ten days", looks);
        }
    }

    #[test]
    fn photos_do_not_come_due_all_at_once() {
        let interval = Duration::from_secs(300);
        let due_at = |hours: u64| {
            (0..1000)
                .filter(|n| is_due(1_000_000, 1_000_000 + hours * 3600, &format!("{n}/a.jpg"), interval))
                .count()
        };
        assert_eq!((due_at(11), due_at(24)), (0, 1000));
        let half = due_at(18);
        assert!((300..700).contains(&half), "{half} of 1000 after 18 hours");
    }
}
