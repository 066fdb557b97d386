//! What is read from a request by ourselves: the session's cookie, a bearer token, a form, a date, and where
//! a request came from. Everything here takes hostile bytes and is fuzzed; longer parsing is left to `hyper`
//! and `url`.

use std::pin::Pin;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Request};
use http_body_util::{BodyExt as _, Limited};
use time::Date;
use time::macros::format_description;
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;
use view::{Incoming, Refused};

/// The session's cookie. The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`.
pub(super) const SESSION_COOKIE: &str = "__Host-session";

/// Longest address of an update: those that object stores sign have some hundred characters.
pub(super) const LONGEST_ADDRESS: usize = 1000;
/// Longest form value taken as it is; no field of ours is longer.
const LONGEST_VALUE: usize = LONGEST_ADDRESS;

/// Longest reason of a correction, in characters.
pub(super) const LONGEST_REASON: usize = 200;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The value of the session's cookie.
pub(super) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == SESSION_COOKIE && is_random_text(value)).then_some(value))
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && (1..=256).contains(&token.len())).then_some(token)
}

/// Only what [`access::token::random_text`] makes: 32 bytes as unpadded base64url.
fn is_random_text(value: &str) -> bool {
    value.len() == 43 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether a page of ours, or no page at all, sent the request. What browsers say of themselves cannot be
/// forged by another site's script; who sends neither header is not a browser that carries our cookie across
/// sites (`SameSite`).
///
/// `Origin: null` says nothing: it is what a browser sends with the forms of a page whose policy is
/// `no-referrer`, as ours. `Sec-Fetch-Site`, and the CSRF token, decide then.
pub(super) fn same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && site != "same-origin"
        && site != "none"
    {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN).filter(|origin| *origin != "null") else { return true };
    match (origin.to_str().ok().and_then(|o| o.strip_prefix("https://")), headers.get(HOST)) {
        (Some(origin), Some(host)) => origin.as_bytes().eq_ignore_ascii_case(host.as_bytes()),
        _ => false,
    }
}

/// Whether the sender is a browser that wants a page rather than data.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|a| a.contains("text/html")))
}

/// `YYYY-MM-DD`, and nothing else.
pub(super) fn date(text: &str) -> Option<Date> {
    if text.len() != 10 {
        return None;
    }
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyRefused {
    TooLarge,
    TooSlow,
    Broken,
}

/// Why a bundle was not taken to its end.
#[derive(Debug)]
pub(super) enum BundleRefused {
    /// It did not come as it should.
    Body(BodyRefused),
    /// Who receives it does not want it.
    Receiver(Refused),
    /// A defect.
    Unexpected,
}

/// The whole body, of at most so many bytes and within the time for it.
pub(super) async fn body<B>(request: Request<B>, most: usize, limits: &Limits) -> Result<Bytes, BodyRefused>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limited = Limited::new(request.into_body(), most);
    match tokio::time::timeout(limits.body_time, std::pin::pin!(limited).collect()).await {
        Err(_) => Err(BodyRefused::TooSlow),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(BodyRefused::TooLarge),
        Ok(Err(_)) => Err(BodyRefused::Broken),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// Streams a body to the card piece by piece, within the limits for bundles.
pub(super) async fn bundle<B>(
    request: Request<B>,
    limits: &Limits,
    mut incoming: Box<dyn Incoming>,
) -> Result<Box<dyn Incoming>, BundleRefused>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(request.into_body());
    let until = Instant::now() + limits.bundle_time;
    while let Some(piece) = next(body.as_mut(), limits, until).await.map_err(BundleRefused::Body)? {
        // The card may take its time: not on the network's thread.
        let taken = tokio::task::spawn_blocking(move || incoming.take(&piece).map(|()| incoming)).await;
        incoming = match taken.map_err(|_| BundleRefused::Unexpected)? {
            Ok(incoming) => incoming,
            Err(refused) => {
                while next(body.as_mut(), limits, until).await.map_err(BundleRefused::Body)?.is_some() {}
                return Err(BundleRefused::Receiver(refused));
            }
        };
    }
    Ok(incoming)
}

/// Reads a bundle that is not wanted to its end, within the same limits: a browser that still sends does not
/// hear the answer.
pub(super) async fn discard<B>(request: Request<B>, limits: &Limits) -> Result<(), BodyRefused>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(request.into_body());
    let until = Instant::now() + limits.bundle_time;
    while next(body.as_mut(), limits, until).await?.is_some() {}
    Ok(())
}

/// The next piece of a bundle; none at its end.
async fn next<B>(mut body: Pin<&mut B>, limits: &Limits, until: Instant) -> Result<Option<Bytes>, BodyRefused>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match timeout_at(until.min(Instant::now() + limits.bundle_pause), body.frame()).await {
        Err(_) => Err(BodyRefused::TooSlow),
        Ok(None) => Ok(None),
        Ok(Some(Err(_))) => Err(BodyRefused::Broken),
        // Trailers mean nothing here.
        Ok(Some(Ok(frame))) => Ok(Some(frame.into_data().unwrap_or_default())),
    }
}

/// The first value of `name` in a form (`application/x-www-form-urlencoded`) or a query.
pub(super) fn field(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .filter(|value| value.len() <= LONGEST_VALUE)
}

/// Most fields of a form that are read: there are some hundred settings.
const MOST_FIELDS: usize = 1000;

/// Every field of a form, the body of which is bounded already.
pub(super) fn fields(form: &[u8]) -> Vec<(String, String)> {
    let fields = url::form_urlencoded::parse(form).take(MOST_FIELDS);
    fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const COOKIE_VALUE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0";

    fn headers(pairs: &[(HeaderName, &[u8])]) -> HeaderMap {
        let value = |v: &[u8]| HeaderValue::from_bytes(v).unwrap();
        let mut map = HeaderMap::new();
        for (name, v) in pairs {
            map.append(name.clone(), value(v));
        }
        map
    }

    #[test]
    fn the_cookie_is_found_among_others_and_only_whole() {
        let whole = format!("a=b; {SESSION_COOKIE}={COOKIE_VALUE};c=d");
        assert_eq!(session_cookie(&headers(&[(COOKIE, whole.as_bytes())])), Some(COOKIE_VALUE));
        for bad in [
            "".to_owned(),
            SESSION_COOKIE.to_owned(),
            format!("{SESSION_COOKIE}="),
            format!("{SESSION_COOKIE}={COOKIE_VALUE}x"),
            format!("x{SESSION_COOKIE}={COOKIE_VALUE}"),
            format!("session={COOKIE_VALUE}"),
            format!("{SESSION_COOKIE}=\"{COOKIE_VALUE}\""),
        ] {
            assert_eq!(session_cookie(&headers(&[(COOKIE, bad.as_bytes())])), None, "{bad}");
        }
    }

    #[test]
    fn other_origins_are_known() {
        let of = |site: Option<&str>, origin: Option<&str>| {
            let mut pairs = vec![(HOST, "door.local:8443".as_bytes())];
            pairs.extend(site.map(|s| (SEC_FETCH_SITE, s.as_bytes())));
            pairs.extend(origin.map(|o| (ORIGIN, o.as_bytes())));
            same_origin(&headers(&pairs))
        };
        assert!(of(None, None));
        assert!(of(Some("same-origin"), Some("https://door.local:8443")));
        assert!(of(Some("none"), None));
        assert!(of(Some("same-origin"), Some("null")));
        assert!(!of(Some("cross-site"), Some("null")));
        for bad in [
            "https://evil.example",
            "http://door.local:8443",
            "https://door.local",
            "https://door.local:8443.evil.example",
        ] {
            assert!(!of(None, Some(bad)), "{bad}");
        }
        assert!(!of(Some("cross-site"), None));
        assert!(!of(Some("same-site"), Some("https://door.local:8443")));
    }

    #[test]
    fn dates_are_exact() {
        assert_eq!(date("2025-01-15").unwrap().to_string(), "2025-01-15");
        for bad in ["", "2025-1-15", "2025-02-30", "2025-01-15 ", "+025-01-15", "../../etc", "２０２５-01-15"]
        {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn hostile_headers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let mut map = HeaderMap::new();
            for name in [COOKIE, AUTHORIZATION, ORIGIN, HOST, ACCEPT, SEC_FETCH_SITE] {
                map.append(name, value.clone());
            }
            if let Some(cookie) = session_cookie(&map) {
                prop_assert!(is_random_text(cookie));
            }
            if let Some(token) = bearer(&map) {
                prop_assert!(token.len() <= 256);
            }
            same_origin(&map);
            wants_page(&map);
        }

        #[test]
        fn hostile_forms_and_dates_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..1024), text in ".{0,20}") {
            for name in ["csrf", "password", ""] {
                if let Some(value) = field(&bytes, name) {
                    prop_assert!(value.len() <= LONGEST_VALUE);
                }
            }
            if let Some(day) = date(&text) {
                prop_assert_eq!(day.to_string(), text);
            }
        }

        #[test]
        fn what_a_browser_encodes_is_read_back(password in ".{0,100}") {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("csrf", "x").append_pair("password", &password).finish();
            prop_assert_eq!(field(form.as_bytes(), "password"), Some(password));
        }
    }
}
