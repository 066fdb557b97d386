//! The page: one screen, rendered here, readable without scripts.
//!
//! The style stands in each page and is allowed by its hash, so that the log-in page needs no second open
//! address; the script is one small file, for the logged-in technician only. Nothing comes from elsewhere.

mod accounts;
mod archive;
mod attendance;
mod cards;
mod correct;
mod day;
mod docs;
mod door;
pub(super) mod enrolment;
mod filter;
mod history;
mod home;
mod log_in;
mod parts;
mod photos;
mod picture;
mod range;
pub(super) mod settings;
mod student;
mod updates;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::reply::{Reply, of_type};

pub(super) use accounts::{Said, accounts};
pub(super) use archive::{Archive, Archived, archive};
pub(super) use correct::{Form, KINDS, not_corrected};
pub(super) use docs::docs;
pub(super) use door::door;
pub(super) use filter::Filter;
pub(super) use home::{device, home, worst};
pub(super) use log_in::log_in;
pub(super) use parts::{Home, May, Shown};
pub(super) use photos::{erased, photos};
pub(super) use picture::picture;
pub(super) use range::{Range, range};
pub(super) use student::{Corrections, student};

use view::Level;

/// The page's script.
pub(super) const SCRIPT: &str = include_str!("page.js");

const STYLE: &str = include_str!("page.css");

/// What a page of ours may load.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    // Base64 and our own text are visible ASCII.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A whole page.
fn document(status: StatusCode, title: &str, head: &Markup, body: &Markup) -> Reply {
    let text = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
                (head)
            }
            (body)
        }
    };
    let mut reply = of_type(status, "text/html; charset=utf-8", text.into_string());
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    reply
}

/// What a person gets whose role does not suffice for a page.
pub(super) fn not_allowed() -> Reply {
    let body = html! {
        body.office {
            header.top { h1 { "Not allowed" } a.button href="/" { "Back to the page" } }
            main {
                section.card {
                    p { "Your account may not see this. The technician can give it another role." }
                }
            }
        }
    };
    document(StatusCode::FORBIDDEN, "Not allowed", &html! {}, &body)
}

/// The tab's icon: a dot in the colour of the state.
pub(super) fn icon(level: Level) -> String {
    let colour = match level {
        Level::Well => "#15803d",
        Level::Attention => "#d97706",
        Level::Broken => "#dc2626",
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"7\" fill=\"{colour}\"/></svg>"
    )
}
