//! A request that was read, and whether the person at the page wanted it.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};

use super::auth::Who;
use super::reply::{Reply, error};
use super::request::same_origin;
use super::routes::{Access, Endpoint, Found};
use super::{request, routes};
use access::audit::AUDIT;
use access::session::csrf_matches;

/// Sent by the page when it refreshes automatically.
const REFRESH_HEADER: HeaderName = HeaderName::from_static("x-refresh");

const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// A request, read.
pub(super) struct Asked {
    pub(super) headers: HeaderMap,
    pub(super) query: String,
    pub(super) body: Bytes,
    pub(super) part: Option<String>,
    pub(super) who: Who,
    pub(super) from: IpAddr,
}

impl Asked {
    /// The log-in's token for forms; empty for a script.
    pub(super) fn csrf(&self) -> &str {
        match &self.who {
            Who::Person { csrf, .. } => csrf,
            _ => "",
        }
    }
}

/// Whether a person asked, rather than what an open page requests automatically: only a person's request
/// prolongs a log-in. Pictures of photos count as the page's own: what is opened once is asked for again
/// when the list changes.
pub(super) fn by_a_person(found: &Found<'_>, headers: &HeaderMap) -> bool {
    let automatic = matches!(
        found,
        Found::Route(route, _) if matches!(
            route.endpoint,
            Endpoint::Preview
                | Endpoint::Evidence
                | Endpoint::DoorPicture
                | Endpoint::EnrolPicture
                | Endpoint::Icon
                | Endpoint::Events
        )
    );
    !automatic && !headers.contains_key(REFRESH_HEADER)
}

/// What a change gets that a person's browser sends and the person did not ask for.
pub(super) fn not_from_the_page(
    route: &routes::Route,
    who: &Who,
    headers: &HeaderMap,
    body: &[u8],
    from: IpAddr,
) -> Option<Reply> {
    let Who::Person { csrf, .. } = who else { return None };
    let changes = matches!(route.access, Access::Full | Access::PageChange | Access::PersonChange);
    if !changes || wanted_by_the_person(csrf, headers, body) {
        return None;
    }
    log::warn!(target: AUDIT, "a request to {} from {from} lacked the page's token", route.path);
    Some(error(
        StatusCode::FORBIDDEN,
        "This did not come from the page.",
        "Load the page again and press the button there.",
    ))
}

/// Whether the log-in's own page sent this: its token came along, and no other site's page sent it.
fn wanted_by_the_person(csrf: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let given = match headers.get(CSRF_HEADER) {
        Some(header) => header.to_str().map(str::to_owned).ok(),
        None => request::field(body, "csrf"),
    };
    same_origin(headers) && given.is_some_and(|given| csrf_matches(csrf, &given))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use http::header::HeaderValue;

    use super::*;

    #[test]
    fn what_an_open_page_asks_by_itself_keeps_no_log_in_alive() {
        let by_a_person = |path, headers: &HeaderMap| by_a_person(&routes::find(&Method::GET, path), headers);
        let plain = HeaderMap::new();
        for path in ["/preview.svg", "/roster/picture.svg", "/door.jpg", "/icon.svg", "/events"] {
            assert!(!by_a_person(path, &plain), "{path}");
        }
        let refresh = HeaderMap::from_iter([(REFRESH_HEADER, HeaderValue::from_static("1"))]);
        assert!(by_a_person("/", &plain) && !by_a_person("/", &refresh));
    }
}
