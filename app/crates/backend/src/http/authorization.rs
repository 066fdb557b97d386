//! User name and password of an address, as a server or a proxy is told them.

use base64::Engine as _;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Url;

/// The user part of a URL as RFC 7617 sends it.
pub(super) fn basic_authorization(url: &Url) -> Option<HeaderValue> {
    let password = url.password();
    if url.username().is_empty() && password.is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(password.unwrap_or("")));
    let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
