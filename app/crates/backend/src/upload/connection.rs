//! Does the webhook answer, and does it take the key? Asked at its status address, which stores nothing, so
//! that a corrected key can be proven while no row waits.

use ::http::StatusCode;
use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use serde_json::Value;
use url::Url;

use super::answer::{self, TroubleKind};
use super::body;
use super::worker::{KEY_HEADER, MAX_ANSWER};
use crate::config::{Server, Tls, Webhook};
use crate::http::{Answer, Client, Timeouts, json, portal};
use base::failure::{Diagnosis as _, Fault};
use base::secret::{Secret, without_credentials};

/// The status address, below the folder in which the webhook is.
const STATUS: &str = "status/";
/// The folder that the contract has: `…/attendance/webhook/status/`.
const FOLDER: &str = "webhook";
/// Most values in an answer.
const MAX_VALUES: usize = 10_000;

/// Asks the webhook for its status; what it answered, in one sentence. A webhook without a status address is
/// sent a list without rows.
///
/// # Errors
/// [`Fault`]: no answer, a refused key, or something that is not a webhook.
pub async fn check(webhook: &Webhook, tls: &Tls) -> Result<String, Fault> {
    let Some(url) = &webhook.url else {
        return Err(Fault::new("webhook.url is not set: rows stay on the device"));
    };
    let tls = tls.of(Server::Webhook, webhook.pinned_sha256.as_ref());
    let client =
        Client::new(&tls, Timeouts::whole(webhook.timeout)).map_err(|error| Fault::new(error.to_string()))?;
    let asked = Asked { client, url: url.expose(), key: webhook.key.as_ref() };
    for place in places(url.expose()) {
        let answer = asked.status(&place).await?;
        if !matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            if let Some(sign) = portal::sign(&place, answer.status, location) {
                return Err(portal::fault(&without_credentials(&place), &sign, Server::Webhook));
            }
            return judge(&answer, &without_credentials(&place));
        }
    }
    asked.without_rows().await
}

pub(super) struct Asked<'a> {
    client: Client,
    url: &'a Url,
    key: Option<&'a Secret>,
}

impl Asked<'_> {
    fn headers(&self) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        if let Some(key) = self.key {
            let value = Client::secret_header(key).ok_or_else(|| {
                Fault::new("webhook.key has characters that cannot be sent").advise("set it to a valid one")
            })?;
            headers.insert(KEY_HEADER, value);
        }
        Ok(headers)
    }

    /// Asks one address. Where the header is refused, the key is sent as the contract writes it, in the
    /// query: a webhook may read it only there.
    async fn status(&self, place: &Url) -> Result<Answer, Fault> {
        let answer = self.get(place).await?;
        let refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let Some(key) = self.key.filter(|_| refused) else { return Ok(answer) };
        let mut place = place.clone();
        place.query_pairs_mut().append_pair("key", key.expose());
        self.get(&place).await
    }

    async fn get(&self, place: &Url) -> Result<Answer, Fault> {
        let reply = self.client.get(place, self.headers()?).await.map_err(|error| error.fault())?;
        reply.read(MAX_ANSWER).await.map_err(|error| error.fault())
    }

    async fn without_rows(&self) -> Result<String, Fault> {
        let mut headers = self.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv"));
        let body = body::encode(&[], None).map_err(|error| Fault::new(error.to_string()))?;
        let posted = self.client.post(self.url, headers, body.into(), MAX_ANSWER).await;
        let answer = posted.map_err(|error| error.fault())?;
        match answer::read(&answer, &[], None) {
            Ok(_) => {}
            // Who refuses a list for having no rows has read it, and the key before it.
            Err(trouble) if trouble.kind == TroubleKind::Batch => {}
            Err(trouble) => return Err(trouble.reason),
        }
        let shown = without_credentials(self.url);
        Ok(format!(
            "{shown} answers and takes the key (it has no status address; a list without rows was sent)"
        ))
    }
}

/// Where the status of the webhook at `url` may be: in the folder `webhook` of its path, else below it and
/// beside it.
fn places(url: &Url) -> Vec<Url> {
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let place = |folder: &[&str]| {
        let mut place = url.clone();
        let path = folder.iter().map(|segment| format!("{segment}/")).collect::<String>();
        place.set_path(&format!("/{path}{STATUS}"));
        place
    };
    match segments.iter().rposition(|segment| *segment == FOLDER) {
        Some(at) => vec![place(&segments[..=at])],
        None => vec![place(&segments), place(&segments[..segments.len().saturating_sub(1)])],
    }
}

/// What the answer of a status address says.
fn judge(answer: &Answer, shown: &str) -> Result<String, Fault> {
    let said = json::bounded(&answer.body, MAX_VALUES).ok().filter(Value::is_object);
    let words = said.as_ref().and_then(answer::message).map(|text| format!(" ({text})")).unwrap_or_default();
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Fault::new(format!("the webhook refuses the key: {}{words}", answer.status))
                .advise("set webhook.key to a valid one"));
        }
        status if !status.is_success() => {
            return Err(Fault::new(format!("{shown} answers {status}{words}"))
                .advise("try again later; if it stays, ask whoever looks after that server"));
        }
        _ => {}
    }
    let Some(said) = said.filter(|said| said["success"].is_boolean()) else {
        return Err(answer::not_an_answer(&answer.body));
    };
    if said["success"] != true || said["webhook_active"] == false {
        return Err(Fault::new(format!("{shown} says that the webhook takes no rows now{words}"))
            .advise("ask whoever looks after that server"));
    }
    Ok(format!("{shown} answers and takes the key"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_status_is_in_the_webhooks_folder() {
        let places = |url: &str| {
            places(&Url::parse(url).unwrap()).iter().map(|url| url.to_string()).collect::<Vec<_>>()
        };
        for url in ["", "/", "/daily/", "/daily"] {
            assert_eq!(
                places(&format!("https://backend.example/attendance/webhook{url}")),
                ["https://backend.example/attendance/webhook/status/"]
            );
        }
        assert_eq!(
            places("https://backend.example/hook/rows"),
            ["https://backend.example/hook/rows/status/", "https://backend.example/hook/status/"]
        );
        assert_eq!(places("https://backend.example")[0], "https://backend.example/status/");
    }
}
