//! Answers for requests that are refused.

use std::time::Duration;

use http::header::{HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use super::auth::Who;
use super::reply::{Reply, error, see_other};
use super::request::wants_page;
use super::{page, request};

/// What who may not gets: browsers the log-in page, scripts 401, tokens without the right 403.
pub(super) fn refused(who: &Who, headers: &HeaderMap) -> Reply {
    match who {
        Who::Nobody if wants_page(headers) => see_other("/login"),
        Who::Nobody => {
            let mut reply = error(
                StatusCode::UNAUTHORIZED,
                "Log in, or send a token.",
                "Authorization: Bearer TOKEN; `attendance token add` makes one.",
            );
            let scheme = HeaderValue::from_static("Bearer");
            reply.headers_mut().insert(http::header::WWW_AUTHENTICATE, scheme);
            reply
        }
        Who::Person { .. } if wants_page(headers) => page::not_allowed(),
        Who::Person { account, role, .. } => error(
            StatusCode::FORBIDDEN,
            &format!("The account {account} may not do this: its role is {role}."),
            "Log in with another account, or ask the technician.",
        ),
        Who::Token { .. } => error(
            StatusCode::FORBIDDEN,
            "This token may not do this.",
            "A token with full access, or with another role, may.",
        ),
    }
}

pub(super) fn log_in_later(wait: Duration, said: &str) -> Reply {
    let mut reply = page::log_in(StatusCode::TOO_MANY_REQUESTS, Some(wait), said);
    retry_after(&mut reply, wait);
    reply
}

pub(super) fn must_wait(wait: Duration) -> Reply {
    let mut reply = error(StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens came from this address.", "");
    retry_after(&mut reply, wait);
    reply
}

fn retry_after(reply: &mut Reply, wait: Duration) {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
}

pub(super) fn body_refused(refused: request::BodyRefused) -> Reply {
    match refused {
        request::BodyRefused::TooLarge => {
            error(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.", "")
        }
        request::BodyRefused::TooSlow => {
            error(StatusCode::REQUEST_TIMEOUT, "The request came too slowly.", "")
        }
        request::BodyRefused::Broken => error(StatusCode::BAD_REQUEST, "The request broke off.", ""),
    }
}

pub(super) fn no_such_row() -> Reply {
    error(StatusCode::NOT_FOUND, "There is no row of this name.", "")
}

pub(super) fn busy() -> Reply {
    let mut reply =
        error(StatusCode::SERVICE_UNAVAILABLE, "Too many look at once; try again in a moment.", "");
    retry_after(&mut reply, Duration::from_secs(4));
    reply
}

pub(super) fn unexpected() -> Reply {
    error(StatusCode::INTERNAL_SERVER_ERROR, "Something unexpected happened; the log says more.", "")
}
