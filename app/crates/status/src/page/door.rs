//! `/door`: what stands on the screen at the door, for who has no screen there or stands elsewhere.

use http::StatusCode;
use maud::html;

use super::document;
use crate::reply::Reply;

/// The page. Its picture is renewed by the script, and without scripts by the browser.
pub(crate) fn door() -> Reply {
    let head = html! {
        script src="/page.js" defer {}
        noscript { meta http-equiv="refresh" content="2"; }
    };
    let body = html! {
        body.door {
            header.top {
                h1 { "At the door" }
                a.button href="/" { "Back to the page" }
            }
            main {
                p #screen { img src="/door.jpg" alt="The screen at the door" width="800" height="480"; }
                p.quiet {
                    "What the person at the door sees now, only while this page is open. Nothing of it is stored."
                }
            }
        }
    };
    document(StatusCode::OK, "At the door", &head, &body)
}
