//! The three views: today, door and device. Sections marked `data-live` are replaced by the script when they
//! change; nothing else moves.

use http::StatusCode;
use maud::{Markup, html};

use super::parts::{Home, token};
use super::{attendance, cards, document, history, updates};
use crate::reply::Reply;
use crate::routes::Endpoint;
use view::{Level, Problem};

/// What one does at the page: each job has its own view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// Attendance, for the office.
    Today,
    /// The camera's picture and the screen, for who stands at the door.
    Door,
    /// The machine, for the technician.
    Device,
}

/// Today: who is there.
pub(crate) fn home(home: &Home<'_>) -> Reply {
    let status = if home.shown.no_day.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    view(home, status, Job::Today, &html! { (attendance::section(home)) })
}

/// The device: camera, delivery, photos, updates and log.
pub(crate) fn device(home: &Home<'_>) -> Reply {
    let may = home.may;
    let cards = html! {
        (jump(home))
        div.columns {
            div.side {
                @if may.see(Endpoint::Restart) { (cards::camera(home)) }
                (cards::delivery(home))
            }
            div.side { (cards::photos(home)) @if may.see(Endpoint::InstallUpdate) { (updates::updates(home)) } }
            @if may.see(Endpoint::InstallUpdate) { div.side { (cards::system(home)) (history::card(home)) } }
        }
        @if may.see(Endpoint::Logs) { (log(home.log)) }
    };
    view(home, StatusCode::OK, Job::Device, &cards)
}

/// A view: the way to the others, the verdict, and what belongs to the job.
pub(super) fn view(home: &Home<'_>, status: StatusCode, job: Job, content: &Markup) -> Reply {
    let level = worst(home.problems);
    let may = home.may;
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
            nav.jobs aria-label="Views" {
                @for (of, path, name, needs) in [
                    (Job::Today, "/", "Today", Endpoint::Root), (Job::Door, "/door", "Door", Endpoint::DoorPage),
                    (Job::Device, "/device", "Device", Endpoint::DevicePage),
                ] {
                    @if may.see(needs) { a href=(path) aria-current=[(of == job).then_some("page")] { (name) } }
                }
            }
            main {
                (verdict(home, level))
                // For screen readers: the script puts the sentence here whenever it is another one.
                p #spoken .unseen role="status" {}
                p #said role="status" hidden {}
                (content)
            }
            footer {
                nav aria-label="More" {
                    @if may.see(Endpoint::PhotosPage) { a href="/photos" { "Photos and students" } }
                    @if may.see(Endpoint::Accounts) { a href="/accounts" { "Accounts" } }
                    @if may.see(Endpoint::Settings) { a href="/settings" { "Settings" } }
                    @if may.see(Endpoint::ArchivePage) { a href="/archive" { "Export and import" } }
                    a href="/docs" { "API" }
                    a href="/licences" { "Licences" }
                    @if may.see(Endpoint::Diagnostics) { a href="/diagnostics" download { "Diagnostics for support" } }
                }
                p.quiet { "Certificate " code { (home.identity.fingerprint) } }
            }
        }
    };
    document(status, &title, &head, &body)
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
fn jump(home: &Home<'_>) -> Markup {
    html! {
        nav.jump aria-label="On this page" {
            @for (id, name, needs) in [
                ("camera-title", "Camera", Endpoint::Restart),
                ("delivery-title", "Delivery", Endpoint::Roster), ("photos-title", "Photos", Endpoint::Roster),
                ("system-title", "System", Endpoint::InstallUpdate), ("updates-title", "Updates", Endpoint::InstallUpdate),
                ("log-title", "Log", Endpoint::Logs),
            ] {
                @if home.may.see(needs) { a href=(format!("#{id}")) { (name) } }
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
