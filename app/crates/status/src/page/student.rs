//! `/student/{roll}`: one student's photos, days and recognition.

use http::StatusCode;
use maud::{Markup, html};
use office::day::{Day, Entry};

use super::day::{clock, state};
use super::document;
use crate::reply::Reply;
use view::{AboutStudent, RefusedPhoto};

/// The page. `days` come with the newest first.
pub(crate) fn student(
    roll: &str,
    about: &AboutStudent,
    days: &Result<Vec<(Day, Option<Entry>)>, String>,
    may_see_photos: bool,
) -> Reply {
    let title = if about.name.is_empty() { roll } else { &about.name };
    let body = html! {
        body.office {
            header.top {
                div {
                    h1 { (title) }
                    p { (roll) @if !about.class.is_empty() { ", class " (about.class) } }
                }
                a.button href="/" { "Back to today" }
            }
            main {
                section.card aria-labelledby="days-title" {
                    h2 #days-title { "The last days" }
                    @match days {
                        Err(reason) => p.outcome.broken { (reason) },
                        Ok(days) => (table(days)),
                    }
                }
                @if may_see_photos { (photos(about)) }
                section.card aria-labelledby="why-title" {
                    h2 #why-title { "At the door lately" }
                    @if about.decisions.is_empty() {
                        p.quiet { "Nothing is remembered about this student. The device remembers the last decisions at the door only." }
                    }
                    ul.decisions { @for decision in &about.decisions { li { time { (decision.at) } " " (decision.what) } } }
                }
            }
        }
    };
    document(StatusCode::OK, title, &html! {}, &body)
}

fn table(days: &[(Day, Option<Entry>)]) -> Markup {
    html! {
        div.scroll {
            table.people-of-day {
                thead { tr { th scope="col" { "Day" } th scope="col" { "State" } th scope="col" { "In" } th scope="col" { "Out" } } }
                tbody {
                    @for (day, entry) in days {
                        tr {
                            th scope="row" { a href=(format!("/?day={}", day.date)) { (day.date) } }
                            @match entry {
                                Some(entry) => { td { (state(entry)) } td { (clock(entry.arrived)) } td { (clock(entry.left)) } }
                                None => { td { span.quiet { "not known on this day" } } td {} td {} }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn photos(about: &AboutStudent) -> Markup {
    html! {
        section.card aria-labelledby="photos-title" {
            h2 #photos-title { "Photos" }
            @if about.photos.is_empty() {
                p.outcome.attention { "No photo is in use: this student cannot be recognised." }
            }
            ul.refused {
                @for (photo, quality) in &about.photos { li { strong { (photo) } p.quiet { "In use: " (quality) } } }
                @for photo in &about.refused { li { (refused(photo)) } }
            }
        }
    }
}

fn refused(photo: &RefusedPhoto) -> Markup {
    html! {
        strong { (photo.photo) } " " span.badge.attention { "not in use" }
        p { (photo.reason) }
        @if photo.picture { p { a href=(super::photos::picture_address(&photo.photo)) { "What the detector saw" } } }
    }
}
