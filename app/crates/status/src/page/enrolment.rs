//! `/enrol`: pictures of a student that the door's camera takes, and a person confirms.

use http::StatusCode;
use maud::{Markup, html};

use super::document;
use super::parts::token;
use crate::reply::Reply;
use view::enrolment::{Kept, Sitting};

/// The sitting that is under way, or the last one.
pub(crate) fn sitting(sitting: Option<&Sitting>, csrf: &str) -> Reply {
    let under_way = sitting.is_some_and(|sitting| sitting.over.is_none());
    let head = html! {
        script src="/page.js" defer {}
        @if under_way { noscript { meta http-equiv="refresh" content="2"; } }
    };
    let back = sitting.map_or("/".to_owned(), |sitting| address(&sitting.roll));
    let body = html! {
        body.office {
            header.top {
                h1 { "Pictures at the door" }
                a.button href=(back) { "Back to the student" }
            }
            main {
                p #said role="status" hidden {}
                section.card #sitting aria-labelledby="sitting-title" data-live {
                    @match sitting {
                        None => {
                            h2 #sitting-title { "Nobody" }
                            p { "No pictures are taken at present. Choose a student, and begin on their page." }
                        }
                        Some(sitting) => (one(sitting, csrf)),
                    }
                }
            }
        }
    };
    document(StatusCode::OK, "Pictures at the door", &head, &body)
}

fn one(sitting: &Sitting, csrf: &str) -> Markup {
    let complete = sitting.pictures >= sitting.wanted;
    html! {
        h2 #sitting-title { (sitting.roll) @if !sitting.name.is_empty() { ", " (sitting.name) } }
        @match &sitting.over {
            Some(why) => {
                p.outcome.attention role="status" { (why) }
                (begin(&sitting.roll, "Take pictures again", csrf))
            }
            None => {
                p.counts {
                    strong { (sitting.pictures) " of " (sitting.wanted) } " pictures; begun by " (sitting.by)
                }
                p.outcome.(if complete { "well" } else { "attention" }) role="status" { (sitting.hint) }
                p.quiet {
                    "The student stands before the door’s camera, alone. Nothing is kept before you confirm. This ends "
                    "automatically in " (ends_in(sitting.seconds)) "."
                }
                ul.faces {
                    @for number in 1..=sitting.pictures {
                        li {
                            // Another sitting has other pictures at the same addresses.
                            img src=(format!("/enrol/{number}.jpg?sitting={}", sitting.number))
                                alt=(format!("Picture {number} of {}", sitting.roll));
                        }
                    }
                }
                div.buttons {
                    @if complete { (change("confirm", sitting, "Keep these pictures", csrf)) }
                    (change("cancel", sitting, "End without keeping", csrf))
                }
            }
        }
    }
}

/// How long a sitting still takes, in steps that do not change the page each second.
fn ends_in(seconds: u64) -> String {
    match seconds.div_ceil(10) * 10 {
        0..=10 => "10 seconds".to_owned(),
        tens @ ..=60 => format!("{tens} seconds"),
        tens => format!("{} minutes", tens.div_ceil(60)),
    }
}

fn change(change: &str, sitting: &Sitting, words: &str, csrf: &str) -> Markup {
    html! {
        form method="post" action=(format!("/enrol/{change}")) {
            (token(csrf))
            input type="hidden" name="sitting" value=(sitting.number);
            input type="hidden" name="roll" value=(sitting.roll);
            button.primary[change == "confirm"] type="submit" { (words) }
        }
    }
}

fn begin(roll: &str, words: &str, csrf: &str) -> Markup {
    html! {
        form method="post" action="/enrol/begin" {
            (token(csrf))
            input type="hidden" name="roll" value=(roll);
            button type="submit" { (words) }
        }
    }
}

/// The result of a change.
pub(crate) fn outcome(is_well: bool, message: &str, details: &str, roll: &str) -> Reply {
    let status = if is_well { StatusCode::OK } else { StatusCode::CONFLICT };
    let body = html! {
        body.office {
            header.top {
                h1 { "Pictures at the door" }
                a.button href=(address(roll)) { "Back to the student" }
            }
            main {
                section.card {
                    p #outcome.outcome.(if is_well { "well" } else { "broken" }) role="status" {
                        (message) "."
                        @if !details.is_empty() { " " span.quiet { (details) "." } }
                    }
                }
            }
        }
    };
    document(status, "Pictures at the door", &html! {}, &body)
}

/// The part of a student's page. Nothing where the site does not allow it and nothing is kept.
pub(crate) fn of_student(roll: &str, kept: Option<&Kept>, allowed: bool, csrf: &str) -> Markup {
    if kept.is_none() && !allowed {
        return html! {};
    }
    html! {
        section.card aria-labelledby="door-pictures-title" {
            h2 #door-pictures-title { "Pictures taken at the door" }
            @match kept {
                None => p.quiet {
                    "None yet. The student stands before the door’s camera; it takes three pictures, and you confirm them."
                },
                Some(kept) => {
                    p {
                        (kept.pictures) " pictures, kept by " strong { (by(&kept.by)) } " at " (kept.at)
                        @if !allowed { ". They are not in use: enrolment at the door is off" } "."
                    }
                    // It cannot be undone, so it takes two steps.
                    details {
                        summary { "Delete these pictures" }
                        form method="post" action="/enrol/remove" {
                            (token(csrf))
                            input type="hidden" name="roll" value=(roll);
                            button type="submit" { "Yes, delete them" }
                        }
                    }
                }
            }
            @if allowed { (begin(roll, if kept.is_some() { "Take new pictures" } else { "Take pictures" }, csrf)) }
        }
    }
}

fn by(name: &str) -> &str {
    if name.is_empty() { "somebody who is not known any more" } else { name }
}

/// A student's page.
fn address(roll: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    // What is not a roll number has no page.
    if roll.is_empty() || !roll.as_bytes().iter().all(plain) {
        "/".to_owned()
    } else {
        format!("/student/{roll}")
    }
}
