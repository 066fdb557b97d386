//! All data of a device as one encrypted file. It is sent while it is made, and written while it arrives.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;

use super::actions::{acted, sentence};
use super::asked::Asked;
use super::auth::Who;
use super::limits::{LEAST_PASSPHRASE, LONGEST_PASSPHRASE};
use super::page;
use super::refusals::{body_refused, unexpected};
use super::reply::{Reply, error, json, with_body};
use super::request;
use super::request::wants_page;
use super::service::Service;
use access::audit::AUDIT;
use base::secret::Secret;
use view::{Done, Refused};

/// Pieces that wait for a slow reader.
const PIECES: usize = 4;
const PIECE_BYTES: usize = 64 << 10;

const STAGED: &str =
    "The archive is whole. The appliance restarts with it now: log in with the other device’s passwords";

impl Service {
    /// The page, with the result of what was asked for.
    pub(super) async fn archive_page(&self, asked: &Asked, said: page::Archived) -> Reply {
        let control = Arc::clone(self.jobs.control());
        // A token reads this page, too; the key is for a person.
        let is_person = matches!(asked.who, Who::Person { .. });
        let known = tokio::task::spawn_blocking(move || page::Archive {
            last: control.last_import(),
            reset: control.reset_words(),
            recovery: is_person.then(|| control.recovery_key()).flatten(),
        });
        let Ok(known) = known.await else { return unexpected() };
        page::archive(&known, &said, self.limits.archive_bytes, asked.csrf())
    }

    /// Somebody has written the card's recovery key down.
    pub(super) async fn recovery_key_written(&self, asked: &Asked) -> Reply {
        let control = Arc::clone(self.jobs.control());
        let said = match tokio::task::spawn_blocking(move || control.recovery_key_written_down()).await {
            Ok(Ok(())) => {
                log::warn!(target: AUDIT, "{} at {} has written down the card's recovery key", asked.who, asked.from);
                page::Archived::Nothing
            }
            Ok(Err(error)) => page::Archived::Refused(format!("The key is shown again: {error}.")),
            Err(_) => return unexpected(),
        };
        self.archive_page(asked, said).await
    }

    /// Erases everything, if a person typed the right words.
    pub(super) async fn factory_reset(&self, asked: &Asked) -> Reply {
        let typed = request::field(&asked.body, "words").unwrap_or_default();
        let control = Arc::clone(self.jobs.control());
        let done = tokio::task::spawn_blocking(move || control.factory_reset(&typed)).await;
        let said = match done {
            Ok(Ok(())) => {
                log::warn!(target: AUDIT, "{} at {} asked for a factory reset", asked.who, asked.from);
                page::Archived::Erasing
            }
            Ok(Err(fault)) => page::Archived::Refused(sentence(&fault.to_string())),
            Err(_) => return unexpected(),
        };
        self.archive_page(asked, said).await
    }

    /// Sends the archive while it is made. What goes wrong later than the first piece ends the connection.
    pub(super) async fn export(&self, asked: &Asked) -> Reply {
        let field = |name| request::field(&asked.body, name).unwrap_or_default();
        let (passphrase, repeated) = (field("passphrase"), field("repeated"));
        let length = passphrase.chars().count();
        if passphrase != repeated {
            return self.not_exported(asked, StatusCode::BAD_REQUEST, "The two passphrases differ.").await;
        }
        if !(LEAST_PASSPHRASE..=LONGEST_PASSPHRASE).contains(&length) {
            let rule = format!("A passphrase has {LEAST_PASSPHRASE} to {LONGEST_PASSPHRASE} characters.");
            return self.not_exported(asked, StatusCode::BAD_REQUEST, &rule).await;
        }
        let Ok(permit) = Arc::clone(&self.exporting).try_acquire_owned() else {
            return self.not_exported(asked, StatusCode::CONFLICT, "Another export is under way.").await;
        };
        log::info!(target: AUDIT, "{} at {} exports everything", asked.who, asked.from);
        let (sender, mut pieces) = mpsc::channel(PIECES);
        let (control, passphrase) = (Arc::clone(self.jobs.control()), Secret::new(passphrase));
        // Not among the page's own threads: a slow reader keeps it for minutes.
        let thread = std::thread::Builder::new().name("export".to_owned()).spawn(move || {
            let _permit = permit;
            let mut out = BufWriter::with_capacity(PIECE_BYTES, Sending(sender.clone()));
            let exported = control.export(&passphrase, &mut out);
            let ended = exported.map_err(|fault| fault.to_string());
            if let Err(why) = ended.and_then(|()| out.flush().map_err(|error| error.to_string())) {
                log::warn!("the export ended early: {why}");
                // Nobody may read any more.
                let _ = sender.blocking_send(Err(io::Error::other(why)));
            }
        });
        if thread.is_err() {
            return unexpected();
        }
        let first = match pieces.recv().await {
            Some(Ok(first)) => first,
            Some(Err(why)) => {
                let why = sentence(&why.to_string());
                return self.not_exported(asked, StatusCode::INTERNAL_SERVER_ERROR, &why).await;
            }
            None => return unexpected(),
        };
        let all = stream::unfold((Some(first), pieces), |(first, mut pieces)| async move {
            let piece = match first {
                Some(first) => Ok(first),
                None => pieces.recv().await?,
            };
            Some((piece.map(Frame::data), (None, pieces)))
        });
        let mut reply = with_body(StatusCode::OK, StreamBody::new(all).boxed_unsync());
        let name = format!("attachment; filename=\"attendance-{}.age\"", self.source.view().today.date);
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.extend(HeaderValue::try_from(name).ok().map(|name| (header::CONTENT_DISPOSITION, name)));
        reply
    }

    async fn not_exported(&self, asked: &Asked, status: StatusCode, why: &str) -> Reply {
        if !wants_page(&asked.headers) {
            return error(status, why, "Nothing was exported.");
        }
        let mut reply = self.archive_page(asked, page::Archived::Refused(why.to_owned())).await;
        *reply.status_mut() = status;
        reply
    }

    /// Takes an archive, which is checked while it comes.
    pub(super) async fn import<B>(&self, request: Request<B>, asked: &Asked) -> Reply
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(bytes) = request.body().size_hint().exact() else {
            let what = "An archive must say how long it is.";
            return error(StatusCode::LENGTH_REQUIRED, what, "Content-Length");
        };
        if bytes == 0 {
            return error(StatusCode::BAD_REQUEST, "The request holds no archive.", "");
        }
        if bytes > self.limits.archive_bytes {
            return body_refused(request::BodyRefused::TooLarge);
        }
        let header = |name: &str| asked.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        // As a value of a form: percent-encoded, because a header is ASCII.
        let encoded = header("x-passphrase").map(|value| format!("p={value}"));
        let passphrase = encoded.and_then(|encoded| request::field(encoded.as_bytes(), "p"));
        let Some(passphrase) = passphrase.filter(|passphrase| !passphrase.is_empty()) else {
            return error(StatusCode::BAD_REQUEST, "The archive's passphrase is missing.", "X-Passphrase");
        };
        let keep_settings = header("x-keep-settings") == Some("1");
        log::info!(target: AUDIT, "{} at {} sends an archive of {bytes} bytes", asked.who, asked.from);
        let refused = |Refused { message, details }: Refused| {
            error(StatusCode::CONFLICT, &sentence(&message), &details)
        };
        let begun = self.jobs.control().import(Secret::new(passphrase), keep_settings, bytes);
        let incoming = match begun {
            Ok(incoming) => incoming,
            Err(why) => {
                return match request::discard(request, &self.limits).await {
                    Ok(()) => refused(why),
                    Err(broken) => body_refused(broken),
                };
            }
        };
        let taken = match request::bundle(request, &self.limits, incoming).await {
            Ok(incoming) => tokio::task::spawn_blocking(move || incoming.finish().map(drop)).await,
            Err(request::BundleRefused::Body(broken)) => return body_refused(broken),
            Err(request::BundleRefused::Receiver(why)) => Ok(Err(why)),
            Err(request::BundleRefused::Unexpected) => return unexpected(),
        };
        match taken {
            Ok(Ok(())) => {
                json(StatusCode::OK, &acted(&Ok(Done { message: STAGED.to_owned(), output: String::new() })))
            }
            Ok(Err(why)) => refused(why),
            Err(_) => unexpected(),
        }
    }
}

/// Hands each piece to the connection, and waits for a slow one.
struct Sending(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sending {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map(|()| piece.len()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
