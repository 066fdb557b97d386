//! One photo: asked for only if it changed, checked before it is believed.
//!
//! Whether it changed is asked by ETag and Last-Modified (a 304 has no body), and where the server ignores
//! the question but repeats the same validators, the body is left unread. A server that gives neither must
//! send the photo, and its content is compared by hash: a length alone misses an edit of the same size.

use std::io::{self, Read as _, Seek as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::header::{ACCEPT, HeaderValue};
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use super::crawl::RemotePhoto;
use super::error::Error;
use super::fetch::Site;
use super::mirror::{Mirror, Part};
use super::state::{Known, Refusal, State, Validators};
use super::{GIVE_UP_AFTER, Outcome};
use crate::http::Reply;
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
    /// One photo is decoded at a time: 50 megapixels take up to 434 MB of memory, most kinds 150 MB.
    pub(super) decoder: Arc<Semaphore>,
}

/// What became of a photo, and what is to be remembered of it.
pub(super) enum Fetched {
    /// It is on disk.
    Here(Outcome, Known),
    /// The server's version is unusable.
    Refused(Option<Refusal>, String),
    /// It could not be had.
    Failed(Error),
}

impl Downloads<'_> {
    /// Brings `path` up to date.
    pub(super) async fn bring(&self, path: &str, photo: &RemotePhoto) -> Fetched {
        let row = self.failures_in_a_row.load(Ordering::Relaxed);
        if row >= GIVE_UP_AFTER {
            return Fetched::Failed(Error::GaveUp(row));
        }
        let fetched = self.site.retry.run(|| self.attempt(path, photo), Error::is_transient).await;
        match &fetched {
            Err(error) if error.is_transient() => self.failures_in_a_row.fetch_add(1, Ordering::Relaxed),
            _ => self.failures_in_a_row.swap(0, Ordering::Relaxed),
        };
        fetched.unwrap_or_else(Fetched::Failed)
    }

    async fn attempt(&self, path: &str, photo: &RemotePhoto) -> Result<Fetched, Error> {
        let remote = photo.place.to_string();
        let known = self.known(path, &remote);
        let refusal = self
            .state
            .refused
            .get(path)
            .filter(|refusal| refusal.remote == remote && refusal.was_under(self.limits));
        let validators =
            refusal.map(|refusal| &refusal.validators).or(known.and_then(|known| known.validators.as_ref()));
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("image/*, */*;q=0.5"));
        if let Some(validators) = validators {
            validators.ask(&mut headers);
        }
        let (_, reply) = self.site.open(&photo.place, headers).await?;
        let current = Validators::of(&reply);
        let unchanged = match reply.status {
            StatusCode::NOT_MODIFIED => validators.is_some(),
            StatusCode::OK => validators.is_some_and(|asked| asked.name_the_same_as(current.as_ref())),
            _ => return Err(reply.unwanted().into()),
        };
        match (unchanged, refusal, known) {
            (true, Some(refusal), _) => {
                return Ok(Fetched::Refused(Some(refusal.clone()), refusal.reason.clone()));
            }
            (true, None, Some(known)) => return Ok(Fetched::Here(Outcome::Unchanged, known.clone())),
            _ if reply.status == StatusCode::NOT_MODIFIED => return Err(reply.unwanted().into()),
            _ => {}
        }
        let result = self.receive(path, photo, reply, current.clone()).await;
        match result {
            Err(Error::Photo(_) | Error::Http(crate::http::Error::TooLarge { .. })) => {
                let reason = result.err().map(|error| error.to_string()).unwrap_or_default();
                let refusal = current.map(|validators| Refusal {
                    remote,
                    reason: reason.clone(),
                    validators,
                    limits: (self.limits.max_bytes, self.limits.max_pixels),
                });
                Ok(Fetched::Refused(refusal, reason))
            }
            other => other,
        }
    }

    /// What is known of a photo that is still on disk as it was left.
    fn known(&self, path: &str, remote: &str) -> Option<&Known> {
        let length = self.local.get(path)?;
        self.state.photos.get(path).filter(|known| known.remote == remote && known.length == *length)
    }

    /// Receives a body, checks it and puts it in place.
    async fn receive(
        &self,
        path: &str,
        photo: &RemotePhoto,
        mut reply: Reply,
        validators: Option<Validators>,
    ) -> Result<Fetched, Error> {
        if let Some(bytes) = reply.content_length().filter(|length| *length > self.limits.max_bytes) {
            return Err(photo::PhotoError::TooManyBytes { bytes, max_bytes: self.limits.max_bytes }.into());
        }
        let (mirror, roll, owned) = (Arc::clone(&self.mirror), photo.roll.clone(), path.to_owned());
        let announced = reply.content_length().unwrap_or(0);
        let (part, file) = blocking(move || {
            mirror.check_room(&owned, announced)?;
            mirror.begin(&roll)
        })
        .await?;
        let failed = |source| self.mirror.failed("write", path, source);
        let mut file = tokio::fs::File::from_std(file);
        let mut hash = Sha256::new();
        let mut length = 0;
        while let Some(piece) = reply.body.piece(self.limits.max_bytes).await? {
            hash.update(&piece);
            length += piece.len() as u64;
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        let file = file.into_std().await;
        let sha256 = super::hexadecimal(&hash.finalize());
        let fresh = Known { remote: photo.place.to_string(), length, sha256, validators };
        self.check_and_keep(path, part, file, fresh).await
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
                return Ok(Fetched::Here(Outcome::Unchanged, fresh));
            }
            let mut bytes = Vec::new();
            let read =
                file.rewind().and_then(|()| (&file).take(limits.max_bytes + 1).read_to_end(&mut bytes));
            read.map_err(|source| mirror.failed("read back", &owned, source))?;
            photo::decode(&bytes, limits)?;
            drop(bytes);
            mirror.keep(part, &file, &owned)?;
            let outcome = if here.is_some() { Outcome::Updated } else { Outcome::New };
            Ok(Fetched::Here(outcome, fresh))
        })
        .await
    }
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
