//! `/student/{roll}`: one student's photos, days and recognition.

use http::StatusCode;
use maud::{Markup, html};
use office::day::{Day, Entry};

use super::correct::{self, Form};
use super::day::{clock, state};
use super::document;
use super::parts::{time_of, token};
use crate::jobs::ActionResult;
use crate::reply::Reply;
use view::{AboutStudent, RefusedPhoto, Row};

/// The rows of one day, with the forms that correct them.
pub(crate) struct Corrections<'a> {
    /// Which day, and today.
    pub(crate) day: &'a str,
    pub(crate) today: &'a str,
    /// The student's rows, or why they cannot be read.
    pub(crate) rows: Result<Vec<Row>, String>,
    /// Those that were corrected.
    pub(crate) corrected: Vec<Row>,
    /// The forms.
    pub(crate) form: Form<'a>,
    /// The results of the last corrections.
    pub(crate) outcomes: Vec<ActionResult>,
}

/// The page. `days` come with the newest first. `erasing`: the log-in's token for who may erase the student,
/// and whether another roll number was typed.
pub(crate) fn student(
    roll: &str,
    about: &AboutStudent,
    days: &Result<Vec<(Day, Option<Entry>)>, String>,
    may_see_photos: bool,
    corrections: Option<&Corrections<'_>>,
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
                        Ok(days) => (table(roll, days, corrections.is_some())),
                    }
                }
                @if let Some(corrections) = corrections { (rows(roll, corrections)) }
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

/// The rows of a day, as they are and as they were, and what can be done about them.
fn rows(roll: &str, corrections: &Corrections<'_>) -> Markup {
    html! {
        section.card aria-labelledby="rows-title" {
            h2 #rows-title { "Rows of " (corrections.day) }
            div #said aria-live="polite" {
                @for outcome in &corrections.outcomes {
                    @match outcome {
                        Ok(done) => p.outcome.well { (done.message) },
                        Err(refused) => p.outcome.broken {
                            (refused.message)
                            @if !refused.details.is_empty() { " " span.quiet { (refused.details) } }
                        },
                    }
                }
            }
            @match &corrections.rows {
                Err(reason) => p.outcome.broken { (reason) },
                Ok(rows) if rows.is_empty() => p.quiet { "No row on this day." },
                Ok(rows) => ul.rows-of-student {
                    @for row in rows {
                        li {
                            strong { (row.status.as_str()) } " " (time_of(&row.timestamp))
                            @if row.open { " " span.badge { "open" } " " span.quiet { "Sent when the day closes. To give it another time, add an OUT." } }
                            @if !row.note.is_empty() { " " span.quiet { (row.note) } }
                            (correct::row(corrections.form, row))
                        }
                    }
                },
            }
            (correct::add(corrections.form, roll, corrections.day, corrections.today))
            @if !corrections.corrected.is_empty() {
                h3 { "What was corrected" }
                ul #corrected { @for row in &corrections.corrected { li { (row.status.as_str()) " " (time_of(&row.timestamp)) ": " (row.note) } } }
            }
        }
    }
}

fn table(roll: &str, days: &[(Day, Option<Entry>)], may_correct: bool) -> Markup {
    html! {
        div.scroll {
            table.people-of-day {
                thead { tr { th scope="col" { "Day" } th scope="col" { "State" } th scope="col" { "In" } th scope="col" { "Out" } @if may_correct { th scope="col" { "Rows" } } } }
                tbody {
                    @for (day, entry) in days {
                        tr {
                            th scope="row" { a href=(format!("/?day={}", day.date)) { (day.date) } }
                            @match entry {
                                Some(entry) => { td { (state(entry)) } td { (clock(entry.arrived)) } td { (clock(entry.left)) } }
                                None => { td { span.quiet { "not known on this day" } } td {} td {} }
                            }
                            @if may_correct {
                                td { a href=(format!("/student/{roll}?day={}", day.date)) aria-label=(format!("Correct rows of {}", day.date)) { "Correct" } }
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
