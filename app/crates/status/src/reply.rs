//! Answers, and the headers every one of them carries.

use std::io;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use serde::Serialize;

/// The body of an answer: whole, or a stream. One that breaks off ends the connection, so that nobody takes
/// it for whole.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;
/// An answer.
pub(super) type Reply = Response<Body>;

/// On every answer. No HSTS: with a self-signed certificate it would lock the technician out after a renewal.
const HEADERS: [(HeaderName, HeaderValue); 8] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-embedder-policy"), HeaderValue::from_static("require-corp")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ),
];

/// What an answer may load when its endpoint does not say otherwise: nothing.
const LOADS_NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Adds the headers of every answer.
pub(super) fn secured(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(LOADS_NOTHING);
    reply
}

/// An answer without body.
pub(super) fn empty(status: StatusCode) -> Reply {
    with_body(status, Empty::new().map_err(|never| match never {}).boxed_unsync())
}

/// An answer of this type.
pub(super) fn of_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = with_body(status, Full::new(body.into()).map_err(|never| match never {}).boxed_unsync());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(body) => of_type(status, "application/json", body),
        // Our own structs have no keys that are not texts and no failing serialisers; should one get them,
        // say so.
        Err(error) => {
            log::error!("an answer cannot be written as JSON: {error}");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// A file to be saved.
pub(super) fn download(content_type: &'static str, name: &str, body: impl Into<Bytes>) -> Reply {
    let mut reply = of_type(StatusCode::OK, content_type, body);
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        reply.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    reply
}

/// An error in the original's form: `{"detail": {"error", "details"}}`.
pub(super) fn error(status: StatusCode, error: &str, details: &str) -> Reply {
    json(status, &serde_json::json!({ "detail": { "error": error, "details": details } }))
}

/// Elsewhere, with GET.
pub(super) fn see_other(place: &str) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    let place = HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/"));
    reply.headers_mut().insert(header::LOCATION, place);
    reply
}

pub(super) fn with_body(status: StatusCode, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply
}
