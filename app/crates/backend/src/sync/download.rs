//! One photo: asked for only if it changed, checked before it is believed.
//!
//! - With an ETag the question is conditional, and a 304 has no body.
//! - Without one the head is asked for, and date and length are compared. `If-Modified-Since` is not used: it
//!   does not see that a photo was replaced by an older file.
//! - A server that tells neither ETag nor date is believed when the length is the same, and each photo is
//!   fetched and compared at least once a day: a length alone misses an edit of the same size.
//! - Where heads cannot be asked for, the body is left unread when its headers tell that nothing changed.
//!
//! The copy here is looked at, too: one that cannot be read, or is not what was written, is fetched again.

use std::io::{self, Read as _, Seek as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use http::header::{ACCEPT, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use super::bounds::GIVE_UP_AFTER;
use super::crawl::RemotePhoto;
use super::error::Error;
use super::fetch::Site;
use super::mirror::{Mirror, Part};
use super::state::{Known, Refusal, State, Validators, Verdict, is_due};
use super::step::PhotoChange;
use crate::http::{Reply, portal};
use vision::photo;
use vision::photo::PhotoLimits;

/// Everything that downloads share.
pub(super) struct Downloads<'a> {
    pub(super) site: &'a Site,
    pub(super) mirror: Arc<Mirror>,
    pub(super) state: &'a State,
    /// Photos on disk with their sizes.
    pub(super) local: &'a std::collections::BTreeMap<String, u64>,
    pub(super) limits: PhotoLimits,
    pub(super) failures_in_a_row: AtomicU32,
    /// Whether the server does not answer questions for a head.
    pub(super) has_no_heads: AtomicBool,
    /// The present, seconds since 1970.
    pub(super) now: u64,
    /// The time between two synchronisations.
    pub(super) interval: Duration,
    /// One photo is decoded at a time: 50 megapixels take up to 434 MB of memory, most kinds 150 MB.
    pub(super) decoder: Arc<Semaphore>,
}

/// The result of fetching a photo, and what is to be remembered of it.
pub(super) enum Fetched {
    /// It is on disk.
    Here(PhotoChange, Known),
    /// The server's version is unusable.
    Refused(Option<Refusal>, String),
    /// It could not be had.
    Failed(Error),
}

/// What is known of a photo from earlier.
#[derive(Clone)]
enum Earlier<'a> {
    /// It is on disk.
    Here(Known),
    /// It was unusable.
    Refused(&'a Refusal),
}

impl Earlier<'_> {
    fn validators(&self) -> Validators {
        match self {
            Self::Here(known) => known.validators.clone().unwrap_or_default(),
            Self::Refused(refusal) => refusal.validators.clone(),
        }
    }

    fn compared(&self) -> u64 {
        match self {
            Self::Here(known) => known.compared,
            Self::Refused(refusal) => refusal.compared,
        }
    }

    /// What is to be said of a photo that did not change.
    fn again(self) -> Fetched {
        match self {
            Self::Here(known) => Fetched::Here(PhotoChange::Unchanged, known),
            Self::Refused(refusal) => Fetched::Refused(Some(refusal.clone()), refusal.reason.clone()),
        }
    }
}

impl Downloads<'_> {
    /// Brings `path` up to date.
    pub(super) async fn bring(&self, path: &str, photo: &RemotePhoto) -> Fetched {
        let row = self.failures_in_a_row.load(Ordering::Relaxed);
        if row >= GIVE_UP_AFTER {
            return Fetched::Failed(Error::GaveUp(row));
        }
        let fetched = self.site.retry().run(|| self.attempt(path, photo), Error::is_transient).await;
        match &fetched {
            Err(error) if error.is_transient() => self.failures_in_a_row.fetch_add(1, Ordering::Relaxed),
            _ => self.failures_in_a_row.swap(0, Ordering::Relaxed),
        };
        fetched.unwrap_or_else(Fetched::Failed)
    }

    async fn attempt(&self, path: &str, photo: &RemotePhoto) -> Result<Fetched, Error> {
        let remote = photo.place.to_string();
        let reply = match self.earlier(path, &remote).await? {
            Some(earlier) => match self.changed(path, photo, &earlier).await? {
                Some(reply) => reply,
                None => return Ok(earlier.again()),
            },
            None => self.whole(photo).await?,
        };
        let (validators, are_reliable) = Validators::to_keep(&reply);
        let compared = if are_reliable { self.now } else { 0 };
        let result = self.receive(path, photo, reply, validators.clone(), compared).await;
        match result {
            Err(Error::Photo(_) | Error::Http(crate::http::Error::TooLarge { .. })) => {
                let reason = result.err().map(|error| error.to_string()).unwrap_or_default();
                let limits = (self.limits.max_bytes, self.limits.max_pixels);
                let refusal = Refusal { remote, reason: reason.clone(), validators, limits, compared };
                Ok(Fetched::Refused(Some(refusal), reason))
            }
            other => other,
        }
    }

    /// What is known of a photo, as long as the copy on disk is as it was left.
    async fn earlier(&self, path: &str, remote: &str) -> Result<Option<Earlier<'_>>, Error> {
        let refusal = self.state.refused.get(path);
        let refusal = refusal.filter(|refusal| refusal.remote == remote && refusal.was_under(self.limits));
        if let Some(refusal) = refusal {
            return Ok(Some(Earlier::Refused(refusal)));
        }
        let Some(length) = self.local.get(path) else { return Ok(None) };
        let known = self.state.photos.get(path);
        let Some(known) = known.filter(|known| known.remote == remote && known.length == *length) else {
            return Ok(None);
        };
        let (mirror, owned, mut known) = (Arc::clone(&self.mirror), path.to_owned(), known.clone());
        let in_full = is_due(known.read, self.now, path, self.interval);
        let expected = known.sha256.clone();
        let is_whole =
            blocking(move || Ok(mirror.is_as_it_was(&owned, in_full.then_some(&*expected)))).await?;
        if in_full {
            known.read = self.now;
        }
        Ok(is_whole.then_some(Earlier::Here(known)))
    }

    /// Asks whether a photo changed: the answer with its new content still to come, or `None`.
    async fn changed(
        &self,
        path: &str,
        photo: &RemotePhoto,
        earlier: &Earlier<'_>,
    ) -> Result<Option<Reply>, Error> {
        let known = earlier.validators();
        let is_due = is_due(earlier.compared(), self.now, path, self.interval);
        let is_the_same = |reply: &Reply, current: &Validators| {
            reply.status == StatusCode::OK
                && match known.compare(current) {
                    Verdict::Same => true,
                    Verdict::SameLength => !is_due,
                    Verdict::Changed => false,
                }
        };
        if known.etag.is_some() {
            let mut headers = asks_for_a_photo();
            known.ask(&mut headers);
            let (_, reply) = self.site.open(Method::GET, &photo.place, headers).await?;
            let current = Validators::of(&reply);
            match reply.status {
                StatusCode::NOT_MODIFIED if !known.is_contradicted_by(&current) => return Ok(None),
                StatusCode::NOT_MODIFIED => {}
                StatusCode::OK if is_the_same(&reply, &current) => return Ok(None),
                StatusCode::OK => return Ok(Some(reply)),
                _ => return Err(reply.unwanted().into()),
            }
        } else if (known.last_modified.is_some() || !is_due) && !self.has_no_heads.load(Ordering::Relaxed) {
            match self.site.open(Method::HEAD, &photo.place, asks_for_a_photo()).await {
                Ok((_, reply)) => {
                    let mut current = Validators::of(&reply);
                    // Some servers say that a head has no body, and not how long the photo is.
                    current.length = current.length.filter(|length| *length > 0);
                    if is_the_same(&reply, &current) {
                        return Ok(None);
                    }
                    let knows_no_heads = matches!(reply.status.as_u16(), 400 | 403 | 405 | 501);
                    self.has_no_heads.fetch_or(knows_no_heads, Ordering::Relaxed);
                }
                Err(Error::Http(
                    crate::http::Error::CutShort { .. } | crate::http::Error::Protocol { .. },
                )) => self.has_no_heads.store(true, Ordering::Relaxed),
                Err(error) => return Err(error),
            }
        }
        let reply = self.whole(photo).await?;
        let current = Validators::of(&reply);
        Ok((!is_the_same(&reply, &current)).then_some(reply))
    }

    /// Asks for a photo without a condition.
    async fn whole(&self, photo: &RemotePhoto) -> Result<Reply, Error> {
        let (_, reply) = self.site.open(Method::GET, &photo.place, asks_for_a_photo()).await?;
        if reply.status == StatusCode::OK { Ok(reply) } else { Err(reply.unwanted().into()) }
    }

    /// Receives a body, checks it and puts it in place.
    async fn receive(
        &self,
        path: &str,
        photo: &RemotePhoto,
        mut reply: Reply,
        validators: Validators,
        compared: u64,
    ) -> Result<Fetched, Error> {
        if let Some(bytes) = reply.content_length().filter(|length| *length > self.limits.max_bytes) {
            return Err(photo::PhotoError::TooManyBytes { bytes, max_bytes: self.limits.max_bytes }.into());
        }
        let (mirror, owned) = (Arc::clone(&self.mirror), path.to_owned());
        let announced = reply.content_length().unwrap_or(0);
        let (part, file) = blocking(move || {
            mirror.check_room(&owned, announced)?;
            mirror.begin(&owned)
        })
        .await?;
        let failed = |source| self.mirror.failed("write", path, source);
        let mut file = tokio::fs::File::from_std(file);
        let (page, mut is_page) = (reply.is_a_page(), false);
        let mut hash = Sha256::new();
        let mut length = 0;
        while let Some(piece) = reply.body.piece(self.limits.max_bytes).await? {
            is_page |= length == 0 && portal::is_page(&piece);
            hash.update(&piece);
            length += piece.len() as u64;
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        let file = file.into_std().await;
        let sha256 = base::hexadecimal::hexadecimal(&hash.finalize());
        let remote = photo.place.to_string();
        // What came may have come without its length, and a head tells it.
        let validators = Some(Validators { length: Some(length), ..validators });
        let fresh = Known { remote, length, sha256, validators, compared, read: self.now };
        match self.check_and_keep(path, part, file, fresh).await {
            // Not remembered as a photo that is refused: it may be the log-in page of the network.
            Err(Error::Photo(_)) if is_page => Err(page.into()),
            other => other,
        }
    }

    async fn check_and_keep(
        &self,
        path: &str,
        part: Part,
        mut file: std::fs::File,
        fresh: Known,
    ) -> Result<Fetched, Error> {
        let here = self.local.get(path).copied();
        // The semaphore lives as long as the downloads and is never closed.
        let _turn = Arc::clone(&self.decoder).acquire_owned().await;
        let (mirror, limits, owned) = (Arc::clone(&self.mirror), self.limits, path.to_owned());
        blocking(move || {
            // An old copy that cannot be read is not the same: the new one takes its place.
            if here == Some(fresh.length) && mirror.sha256(&owned).is_ok_and(|hash| hash == fresh.sha256) {
                return Ok(Fetched::Here(PhotoChange::Unchanged, fresh));
            }
            let mut bytes = Vec::new();
            let read =
                file.rewind().and_then(|()| (&file).take(limits.max_bytes + 1).read_to_end(&mut bytes));
            read.map_err(|source| mirror.failed("read back", &owned, source))?;
            photo::decode(&bytes, limits)?;
            drop(bytes);
            mirror.keep(part, &file, &owned)?;
            let outcome = if here.is_some() { PhotoChange::Updated } else { PhotoChange::New };
            Ok(Fetched::Here(outcome, fresh))
        })
        .await
    }
}

fn asks_for_a_photo() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("image/*, */*;q=0.5"));
    headers
}

/// Runs what waits for the disk or the decoder off the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => Err(Error::Disk {
            action: "work with",
            path: super::mirror::FOLDER.into(),
            source: io::Error::other(ended.to_string()),
        }),
    }
}
