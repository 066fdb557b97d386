//! `/photos`: the photos' problems as a list to work through, and the students' list.

use http::StatusCode;
use maud::{Markup, html};

use super::day::{page_of, paging};
use super::document;
use super::parts::{Home, action, outcome, token};
use crate::jobs::ActionResult;
use crate::reply::Reply;
use view::{Erasure, RefusedPhoto, StudentsList};

/// The page.
pub(crate) fn photos(
    home: &Home<'_>,
    all: &[RefusedPhoto],
    list: &StudentsList,
    most_bytes: usize,
    erasures: &[Erasure],
) -> Reply {
    let head = html! { script src="/page.js" defer {} };
    let body = html! {
        body.office {
            header.top {
                h1 { "Photos and students" }
                a.button href="/" { "Back to today" }
            }
            main {
                p #said role="status" hidden {}
                (worklist(home, all))
                (students(home, list, most_bytes))
                (erased_before(home, erasures))
            }
        }
    };
    document(StatusCode::OK, "Photos and students", &head, &body)
}

/// After a student was erased, or was not.
pub(crate) fn erased(outcome: &ActionResult) -> Reply {
    let body = html! {
        body.office {
            header.top { h1 { "Erasing a student" } }
            main {
                section.card {
                    @match outcome {
                        Ok(done) => {
                            p.outcome.well { (done.message) "." }
                            p { "This is erasure " strong { (done.output) } ". Log in again in half a minute." }
                        }
                        Err(refused) => p.outcome.broken { (refused.message) " " span.quiet { (refused.details) } },
                    }
                    p { a.button href="/" { "To the page" } }
                }
            }
        }
    };
    let status = if outcome.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    document(status, "Erasing a student", &html! {}, &body)
}

/// The erasures, for lifting them.
fn erased_before(home: &Home<'_>, erasures: &[Erasure]) -> Markup {
    html! {
        section.card aria-labelledby="erased-title" {
            h2 #erased-title { "Erased students" }
            div #erased data-live {
                @if erasures.is_empty() { p.quiet { "Nobody was erased. A student is erased on their own page." } }
                @else { p.quiet { "The device knows that somebody was erased, and not whom. Note the number where you keep your requests." } }
                (outcome(home, "lift-erasure"))
                ul.refused {
                    @for erasure in erasures {
                        li {
                            strong { (erasure.id) } " " (erasure.at)
                            @if erasure.by.is_empty() { ", at another door" } @else { ", by " (erasure.by) }
                            @if erasure.lifted { ", lifted" }
                            @if !erasure.done { " " span.badge.attention { "not removed yet" } }
                            @if !erasure.lifted {
                                form method="post" action=(format!("/students/erasures/{}/lift", erasure.id)) {
                                    (token(home.csrf))
                                    button type="submit" aria-label=(format!("Lift erasure {}", erasure.id)) { "Lift it: the student may come back" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn worklist(home: &Home<'_>, all: &[RefusedPhoto]) -> Markup {
    let filter = &home.shown.filter;
    let holds = |photo: &&RefusedPhoto| photo.photo.to_lowercase().contains(&filter.search.to_lowercase());
    let (known, open): (Vec<&RefusedPhoto>, Vec<&RefusedPhoto>) =
        all.iter().filter(holds).partition(|photo| photo.accepted_by.is_some());
    html! {
        section.card aria-labelledby="work-title" {
            h2 #work-title { "Retake these" }
            p.quiet {
                "These photos are not in use. Put a better one in its place, then press “Sync photos now”. "
                "“Known” takes a photo off this list: it is not an alarm any more until it has another problem."
            }
            (action(home, "sync", "Sync photos now"))
            form.filter method="get" action="/photos" role="search" {
                label { span { "Roll number or file" } input type="search" name="q" value=(filter.search) autocomplete="off" maxlength="64"; }
                button type="submit" { "Show" }
            }
            div #work data-live {
                p.counts { strong { (open.len()) } " to look at, " (known.len()) " known" }
                (outcome(home, "accept-photo"))
                @if open.is_empty() { p.empty { "No photo needs anybody." } }
                ul.refused {
                    @for photo in page_of(&open, filter.page) {
                        li {
                            (problem(photo))
                            form method="post" action="/do/accept-photo" data-act {
                                (token(home.csrf))
                                input type="hidden" name="photo" value=(photo.photo);
                                button type="submit" aria-label=(format!("{} is known", photo.photo)) { "Known" }
                            }
                        }
                    }
                }
                (paging(filter, "/photos", open.len()))
                @if !known.is_empty() {
                    details #known {
                        summary { (known.len()) " known" }
                        ul.refused {
                            @for photo in known.iter().take(super::day::LINES * 4) {
                                li {
                                    (problem(photo))
                                    p.quiet { "Known to " (photo.accepted_by.as_deref().unwrap_or_default()) }
                                    form method="post" action="/do/watch-photo" data-act {
                                        (token(home.csrf))
                                        input type="hidden" name="photo" value=(photo.photo);
                                        button type="submit" aria-label=(format!("Put {} on the list again", photo.photo)) { "Put it on the list again" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn problem(photo: &RefusedPhoto) -> Markup {
    html! {
        strong { (photo.photo) }
        p { (photo.reason) }
        @if photo.picture { p { a href=(picture_address(&photo.photo)) { "What the detector saw" } } }
    }
}

/// Where the picture of a photo that is not in use is.
pub(super) fn picture_address(photo: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("photo", photo).finish();
    format!("/roster/picture.svg?{query}")
}

fn students(home: &Home<'_>, list: &StudentsList, most_bytes: usize) -> Markup {
    html! {
        section.card aria-labelledby="list-title" {
            h2 #list-title { "Students’ list" }
            div #students data-live {
                @match &list.from {
                    Some(from) => p { strong { (list.students) } " students, " (from) "." },
                    None => p { "There is no list: the page and the door know roll numbers only." },
                }
                @if let Some(problem) = &list.problem { p.outcome.attention { (problem) } }
                @if !list.left_out.is_empty() {
                    details #left-out {
                        summary { (list.left_out.len()) " lines were left out" }
                        ul.refused { @for line in &list.left_out { li { (line) } } }
                    }
                }
                (outcome(home, "take-students"))
                (outcome(home, "remove-students"))
            }
            // Shown by the script, which sends the file as it is.
            form #students-form .stacked hidden data-csrf=(home.csrf) data-most=(most_bytes) {
                label for="students-file" { "A CSV file with the columns roll, name and class" }
                input #students-file type="file" accept=".csv,.txt,.tsv,text/csv" required;
                button type="submit" { "Send the list" }
            }
            noscript { p { "To send a list, allow scripts for this page, or put students.csv beside the photos." } }
            p.quiet { "It takes the place of the list before. Names are shown at the door where door.show is \"name\"." }
            @if list.uploaded {
                details #remove-list {
                    summary { "Remove the uploaded list" }
                    form.action method="post" action="/do/remove-students" data-act {
                        (token(home.csrf))
                        button #do-remove-students type="submit" { "Yes, remove it" }
                    }
                }
            }
        }
    }
}
