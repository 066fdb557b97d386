//! `/licences`: the licence texts of everything in the image.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::asked::Asked;
use super::refusals::unexpected;
use super::reply::{Reply, error, of_type};
use super::service::Service;

/// Largest text: five megabytes today.
const MOST_BYTES: u64 = 64 << 20;
const TEXT: &str = "text/plain; charset=utf-8";

impl Service {
    /// The texts as the image has them, compressed; unpacked for who does not take that.
    pub(super) async fn licences(&self, asked: &Asked) -> Reply {
        let source = Arc::clone(&self.source);
        let unpacks = !takes_gzip(&asked.headers);
        let found = tokio::task::spawn_blocking(move || {
            source.licences().map(|packed| if unpacks { unpacked(&packed) } else { Some(packed) })
        });
        match found.await {
            Ok(Some(Some(text))) => {
                let mut reply = of_type(StatusCode::OK, TEXT, text);
                if !unpacks {
                    reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                reply
            }
            Ok(None) => error(
                StatusCode::NOT_FOUND,
                "This program was not installed as an image: there is no file with licence texts.",
                "The licence of each part stands in its sources.",
            ),
            Ok(Some(None)) | Err(_) => unexpected(),
        }
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("gzip")))
    })
}

fn unpacked(packed: &[u8]) -> Option<Bytes> {
    let mut text = Vec::new();
    let read = GzDecoder::new(packed).take(MOST_BYTES).read_to_end(&mut text);
    read.ok().map(|_| Bytes::from(text))
}
