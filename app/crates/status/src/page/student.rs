//! `/student/{roll}`: one student's photos, days and recognition.

use http::StatusCode;
use maud::{Markup, html};
use office::day::{Day, Entry};

use super::day::{clock, state};
use super::document;
use super::parts::token;
use crate::reply::Reply;
use view::{AboutStudent, RefusedPhoto};

/// The page. `days` come with the newest first. `erasing`: the log-in's token for who may erase the student,
/// and whether another roll number was typed.
pub(crate) fn student(
    roll: &str,
    about: &AboutStudent,
    days: &Result<Vec<(Day, Option<Entry>)>, String>,
    may_see_photos: bool,
    erasing: Option<(&str, bool)>,
    at_the_door: &Markup,
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
                (at_the_door)
                section.card aria-labelledby="why-title" {
                    h2 #why-title { "At the door lately" }
                    @if about.decisions.is_empty() {
                        p.quiet { "Nothing is remembered about this student. The device remembers the last decisions at the door only." }
                    }
                    ul.decisions { @for decision in &about.decisions { li { time { (decision.at) } " " (decision.what) } } }
                }
                @if let Some((csrf, other)) = erasing { (erase(roll, about, csrf, other)) }
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

fn erase(roll: &str, about: &AboutStudent, csrf: &str, other: bool) -> Markup {
    html! {
        section.card aria-labelledby="erase-title" {
            h2 #erase-title { "Erase this student" }
            p {
                "This removes the photos, the embeddings, the entry in the students’ list and every row, at this door and at every other "
                "door of the school. It cannot be undone. The next synchronisation does not bring the student back, until somebody lifts "
                "the erasure under “Photos and students”. What the backend has is not touched."
            }
            @if about.undelivered > 0 {
                p.outcome.attention {
                    @if about.undelivered == 1 { "1 row that the backend has not got goes, too." }
                    @else { (about.undelivered) " rows that the backend has not got go, too." }
                }
            }
            @if other { p.outcome.broken role="alert" { "Nothing was erased: another roll number was typed." } }
            form #erase .stacked method="post" action=(format!("/students/{roll}/erase")) {
                (token(csrf))
                label for="erase-confirm" { "Type the roll number of this page again" }
                input #erase-confirm name="confirm" required autocomplete="off" maxlength="64";
                button type="submit" { "Erase everything" }
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
