//! `/door`: the camera's picture, the last decisions, and what stands on the screen there.

use http::StatusCode;
use maud::html;

use super::cards::decisions;
use super::home::{Job, view};
use super::parts::Home;
use crate::reply::Reply;

/// The view. Its pictures are renewed by the script; without scripts each load shows them once.
pub(crate) fn door(home: &Home<'_>) -> Reply {
    let content = html! {
        div.columns.door {
            section.card aria-labelledby="picture-title" {
                h2 #picture-title { "Live picture" }
                p #live { img src="/preview.svg" alt="The camera’s picture with boxes round faces" width="960" height="540"; }
                p.quiet { "Only while this view is open; never stored." }
            }
            section.card aria-labelledby="decisions-title" {
                h2 #decisions-title { "Last decisions" }
                div #decisions-live data-live {
                    @if home.view.camera.decisions.is_empty() { p.quiet { "None since the start." } }
                    (decisions(&home.view.camera.decisions))
                }
            }
            section.card aria-labelledby="screen-title" {
                h2 #screen-title { "What people see" }
                p #screen { img src="/door.jpg" alt="The screen at the door" width="800" height="480"; }
            }
        }
    };
    view(home, StatusCode::OK, Job::Door, &content)
}
