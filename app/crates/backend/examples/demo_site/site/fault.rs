//! Ways to misbehave, for tests and for those who want to see what the appliance does then.

use std::future::Future;
use std::io;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::{Body, full, text};

/// What goes wrong, and with which requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    kind: Kind,
    /// Every so many requests, from the first on.
    every: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// The request is ignored; the answer is this status.
    Status(StatusCode),
    /// The request is ignored; the answer is a page with status 200.
    Html,
    /// The request is carried out; the answer is empty.
    Empty,
    /// The request is carried out; the answer comes late.
    Slow(Duration),
    /// The request is carried out; the answer never comes.
    Hang,
    /// The request is carried out; the connection breaks in the middle of the answer.
    Reset,
    /// The request is ignored; the connection is closed.
    Gone,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, every) = text.split_once('/').unwrap_or((text, "1"));
        let every =
            every.parse().ok().filter(|every| *every > 0).ok_or("after '/' stands a number from 1")?;
        let kind = match kind.split_once('=') {
            Some(("slow", seconds)) => {
                let seconds = seconds.parse().map_err(|_| "slow=SECONDS needs a number")?;
                Kind::Slow(Duration::try_from_secs_f32(seconds).map_err(|error| error.to_string())?)
            }
            _ => match kind {
                "html" => Kind::Html,
                "empty" => Kind::Empty,
                "hang" => Kind::Hang,
                "reset" => Kind::Reset,
                "gone" => Kind::Gone,
                status => Kind::Status(status.parse().map_err(|_| {
                    "a fault is a status such as 500, html, empty, slow=SECONDS, hang, reset or gone"
                        .to_owned()
                })?),
            },
        };
        Ok(Self { kind, every })
    }
}

impl Fault {
    /// The answer, spoiled. An error closes the connection without one.
    pub async fn spoil(self, answer: impl Future<Output = Response<Body>>) -> io::Result<Response<Body>> {
        match self.kind {
            Kind::Status(status) => Ok(text(status, "text/html", format!("<h1>{status}</h1>"))),
            Kind::Html => Ok(text(StatusCode::OK, "text/html", "<html><body>Please log in</body></html>")),
            Kind::Gone => Err(io::Error::other("gone, as asked")),
            Kind::Empty => {
                let (head, _) = answer.await.into_parts();
                Ok(Response::from_parts(head, full(Bytes::new())))
            }
            Kind::Slow(delay) => {
                let answer = answer.await;
                tokio::time::sleep(delay).await;
                Ok(answer)
            }
            Kind::Hang => {
                answer.await;
                std::future::pending().await
            }
            Kind::Reset => {
                let (mut head, body) = answer.await.into_parts();
                let bytes = body.collect().await?.to_bytes();
                head.headers.insert(http::header::CONTENT_LENGTH, bytes.len().into());
                let half = bytes.slice(..bytes.len() / 2);
                let frames = [Ok(Frame::data(half)), Err(io::Error::other("reset, as asked"))];
                let broken = StreamBody::new(futures_util::stream::iter(frames));
                Ok(Response::from_parts(head, BodyExt::boxed(broken)))
            }
        }
    }
}

/// The fault of one service and how many requests it has seen.
#[derive(Default)]
pub struct Switch(Mutex<(Option<Fault>, u32)>);

impl Switch {
    /// Sets or clears the fault.
    pub fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (fault, 0);
    }

    /// The fault of the next request.
    pub fn next(&self) -> Option<Fault> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = state.0?;
        let hit = state.1.is_multiple_of(fault.every);
        state.1 = state.1.wrapping_add(1);
        hit.then_some(fault)
    }
}
