//! The one screen. Sections marked `data-live` are replaced by the script when they change; nothing else
//! moves.

use http::StatusCode;
use maud::{Markup, html};

use super::parts::{Home, token};
use super::{attendance, cards, document, history, updates};
use crate::reply::Reply;
use crate::view::{Level, Problem};

/// The page.
pub(crate) fn home(home: &Home<'_>) -> Reply {
    let level = worst(home.problems);
    let title = format!("{}: {}", home.view.site, in_words(level));
    let head = html! {
        link rel="icon" type="image/svg+xml" href="/icon.svg";
        script src="/page.js" defer {}
    };
    let body = html! {
        body {
            header.top {
                div {
                    h1 { (home.view.site) }
                    p #clock data-live { time { (home.view.now) } " " span.quiet { (home.view.system.time_zone) } }
                }
                form method="post" action="/logout" {
                    (token(home.csrf))
                    button type="submit" { "Log out" }
                }
            }
            main {
                (verdict(home, level))
                // For screen readers: the script puts the sentence here whenever it is another one.
                p #spoken .unseen role="status" {}
                p #said role="status" hidden {}
                (jump())
                div.columns {
                    (attendance::section(home))
                    div.side { (cards::camera(home)) (cards::delivery(home)) (cards::photos(home)) }
                    div.side { (cards::system(home)) (updates::updates(home)) (history::card(home)) }
                }
                (log(home.log))
            }
            footer {
                nav aria-label="More" {
                    a href="/door" { "Door" }
                    a href="/settings" { "Settings" }
                    a href="/docs" { "API" }
                    a href="/diagnostics" download { "Diagnostics for support" }
                }
                p.quiet { "Certificate " code { (home.identity.fingerprint) } }
            }
        }
    };
    document(StatusCode::OK, &title, &head, &body)
}

/// The sentence on top: all well, or the worst problem and what to do; then what else there is.
fn verdict(home: &Home<'_>, level: Level) -> Markup {
    let all_well = match home.view.upload.url {
        Some(_) => "Faces are recognised, and every row reaches the backend.",
        None => "Faces are recognised, and every row is kept on this device: no webhook is configured.",
    };
    html! {
        section #verdict .verdict.(class(level)) data-live aria-labelledby="sentence" {
            div.mark aria-hidden="true" { (sign(level)) }
            div {
                @match home.problems.split_first() {
                    None => {
                        h2 #sentence { "All well" }
                        p { (all_well) }
                    }
                    Some((first, others)) => {
                        h2 #sentence { (first.what) }
                        p { (first.advice) }
                        @if !others.is_empty() {
                            details #others {
                                summary { "And " (others.len()) " more" }
                                ul {
                                    @for problem in others {
                                        li { strong { (problem.what) } " " (problem.advice) }
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

/// On a phone the sections stand one below the other: a way to each.
fn jump() -> Markup {
    html! {
        nav.jump aria-label="On this page" {
            @for (id, name) in [
                ("attendance-title", "Attendance"), ("camera-title", "Camera"), ("delivery-title", "Delivery"),
                ("photos-title", "Photos"), ("system-title", "System"), ("updates-title", "Updates"), ("log-title", "Log"),
            ] {
                a href=(format!("#{id}")) { (name) }
            }
        }
    }
}

fn log(lines: &[String]) -> Markup {
    html! {
        section.card aria-labelledby="log-title" {
            h2 #log-title { "Log" }
            // Focusable, so that the keyboard can scroll it.
            pre #log data-live tabindex="0" aria-labelledby="log-title" {
                @for line in lines { (line) "\n" }
                @if lines.is_empty() { "Nothing yet." }
            }
        }
    }
}

/// The worst level of these.
pub(crate) fn worst(problems: &[Problem]) -> Level {
    problems.iter().map(|problem| problem.level).max().unwrap_or(Level::Well)
}

fn in_words(level: Level) -> &'static str {
    match level {
        Level::Well => "all well",
        Level::Attention => "needs attention",
        Level::Broken => "not working",
    }
}

fn class(level: Level) -> &'static str {
    match level {
        Level::Well => "well",
        Level::Attention => "attention",
        Level::Broken => "broken",
    }
}

/// A sign beside the colour, for who sees colours differently.
fn sign(level: Level) -> &'static str {
    match level {
        Level::Well => "✓",
        Level::Attention => "!",
        Level::Broken => "✕",
    }
}
