//! What is remembered from one synchronisation to the next, beside the photos themselves.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::{DATE, ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use super::removal::{Lately, Pending};
use crate::http::Reply;
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
    /// When the last listing came by which removals were decided, seconds since 1970.
    pub(super) listed_at: Option<u64>,
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
}

/// An unusable photo, remembered so that it is not fetched again until it or the limits change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) remote: String,
    pub(super) reason: String,
    pub(super) validators: Validators,
    /// Largest file and most pixels that were allowed.
    pub(super) limits: (u64, u64),
}

impl Refusal {
    pub(super) fn was_under(&self, limits: PhotoLimits) -> bool {
        self.limits == (limits.max_bytes, limits.max_pixels)
    }
}

/// What names a version of a file (RFC 9110 §8.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// The announced length.
    pub(super) length: Option<u64>,
}

impl Validators {
    /// The validators of a reply, if it has any that can be relied on.
    ///
    /// A file that was modified in the very second in which it was served may be modified again in that
    /// second, with the same time stamp; nginx's ETag is made of the same time stamp. So these are not kept
    /// (RFC 9110 §8.8.2.2), and the next synchronisation compares the content.
    pub(super) fn of(reply: &Reply) -> Option<Self> {
        let text = |name: &HeaderName| reply.header(name).map(str::to_owned);
        let (etag, last_modified) = (text(&ETAG), text(&LAST_MODIFIED));
        if etag.is_none() && last_modified.is_none() {
            return None;
        }
        let same_second = |modified: &str| reply.header(&DATE).is_some_and(|date| date == modified);
        if last_modified.as_deref().is_some_and(same_second) {
            return None;
        }
        Some(Self { etag, last_modified, length: reply.content_length() })
    }

    /// Makes a request conditional.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        for (name, value) in [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)] {
            if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
    }

    /// Whether a whole reply names the same version, from a server that does not answer 304.
    pub(super) fn name_the_same_as(&self, other: Option<&Self>) -> bool {
        other.is_some_and(|other| match (&self.etag, &other.etag) {
            (Some(one), Some(other)) => one == other,
            (None, None) => {
                self.last_modified.is_some()
                    && self.last_modified == other.last_modified
                    && self.length.is_some()
                    && self.length == other.length
            }
            _ => false,
        })
    }
}
