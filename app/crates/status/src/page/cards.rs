//! The cards beside attendance: camera, delivery, photos, and the machine itself.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::correct::{self, Form};
use super::parts::{Home, action, outcome, time_of, token};
use crate::api::{MOST_LISTED, hours_minutes_seconds};
use crate::routes::Endpoint;
use base::event::WorkerState;
use view::{Decision, RefusedPhoto, RefusedRow, Worker};

/// Decisions shown at once: what a technician asks about has just happened, and on a phone the rest of the
/// page stands below.
const DECISIONS_SHOWN: usize = 2;
/// Refused rows shown at once: a form each, and who has more retries them all.
const REFUSED_ROWS_SHOWN: usize = 20;
/// Refused photos shown at once; all of them stand in `/photos`.
const REFUSED_SHOWN: usize = 12;

pub(super) fn camera(home: &Home<'_>) -> Markup {
    let camera = &home.view.camera;
    html! {
        section.card aria-labelledby="camera-title" {
            h2 #camera-title { "Camera" }
            div #camera data-live {
                dl {
                    (fact("Frames a second", &format!("{:.1}", camera.frame_rate)))
                    (fact("Delay", &format!("{:.0} ms", camera.latency_ms)))
                    (fact("Newest picture", &camera.last_frame_age_s.map_or("none yet".to_owned(), age)))
                    (fact("Skipped", &format!("{} of {}", camera.dropped, camera.dropped + camera.frames)))
                    (fact("Source", &camera.source))
                }
                @if !camera.decisions.is_empty() {
                    h3 { "Last decisions" }
                    (decisions(&camera.decisions[..camera.decisions.len().min(DECISIONS_SHOWN)]))
                    @if camera.decisions.len() > DECISIONS_SHOWN {
                        details #decisions {
                            summary { "Earlier ones" }
                            (decisions(&camera.decisions[DECISIONS_SHOWN..]))
                        }
                    }
                }
                (action(home, "restart", "Restart recognition"))
            }
            @if home.may.see(Endpoint::Preview) { p { a href="/door" { "Live picture" } } }
        }
    }
}

/// Decisions about faces, as a list.
pub(super) fn decisions(decisions: &[Decision]) -> Markup {
    html! {
        ul.decisions {
            @for decision in decisions { li { time { (time_of(&decision.at)) } " " (decision.what) } }
        }
    }
}

pub(super) fn delivery(home: &Home<'_>) -> Markup {
    let upload = &home.view.upload;
    html! {
        section.card aria-labelledby="delivery-title" {
            h2 #delivery-title { "Delivery" }
            div #delivery data-live {
                dl {
                    (fact("Waiting", &rows(upload.backlog)))
                    (fact("Last accepted", upload.last_success.as_deref().unwrap_or("never")))
                    @if let Some(seconds) = upload.retry_in_s { (fact("Next try", &format!("in {seconds} s"))) }
                    (fact("To", upload.url.as_deref().map_or("no webhook is configured; rows stay here", bare)))
                }
                @if let Some(error) = &upload.error { p.outcome.attention { (error) } }
                (action(home, "upload", "Upload now"))
                @if upload.url.is_some() { (action(home, "test-webhook", "Test connection")) }
                @if !upload.needs_person.is_empty() { (refused_rows(home, &upload.needs_person)) }
                // Outside the list: the message stays when the row is gone.
                (outcome(home, "retry"))
                (outcome(home, "dismiss"))
                (outcome(home, "place-row"))
                @if upload.needs_person.is_empty() { (outcome(home, "retry-all")) }
            }
        }
    }
}

fn refused_rows(home: &Home<'_>, refused: &[RefusedRow]) -> Markup {
    html! {
        h3 { "Refused: a person must look (" (rows(refused.len())) ")" }
        (action(home, "retry-all", "Retry all"))
        ul.people {
            @for row in refused.iter().take(REFUSED_ROWS_SHOWN) {
                @let who = format!("{} {}", row.name, row.status);
                li {
                    div {
                        strong { (row.name) } " " (row.status.as_str()) " " span.quiet { (row.timestamp) }
                        p { (row.reason) }
                    }
                    @if !row.void && row.days.is_empty() {
                        form method="post" action="/do/retry" data-act {
                            (token(home.csrf))
                            input type="hidden" name="row" value=(row.id);
                            button id=(format!("retry-{}", row.id)) type="submit" aria-label=(format!("Retry {who}")) { "Retry" }
                        }
                    }
                    (correct::day(Form { csrf: home.csrf, back: "/device" }, &row.id, &who, &row.days))
                    // It cannot be undone, so it takes two steps; also without scripts.
                    details id=(format!("give-up-{}", row.id)) {
                        summary aria-label=(format!("Dismiss {who}")) { "Dismiss" }
                        form method="post" action="/do/dismiss" data-act {
                            (token(home.csrf))
                            input type="hidden" name="row" value=(row.id);
                            @if row.void { p { "It leaves this list." } }
                            @else { p { "The backend will never get this row. It stays in the day’s file." } }
                            button id=(format!("dismiss-{}", row.id)) type="submit" aria-label=(format!("Yes, dismiss it: {who}")) { "Yes, dismiss it" }
                        }
                    }
                }
            }
        }
        @if refused.len() > REFUSED_ROWS_SHOWN {
            p { "And " (rows(refused.len() - REFUSED_ROWS_SHOWN)) " more; the oldest " (MOST_LISTED) " stand in " a #all-refused href="/status" { "the state" } "." }
        }
    }
}

pub(super) fn photos(home: &Home<'_>) -> Markup {
    let (sync, roster) = (&home.view.sync, &home.view.roster);
    html! {
        section.card aria-labelledby="photos-title" {
            h2 #photos-title { "Photos" }
            div #photos data-live {
                dl {
                    (fact("Students", &roster.students.to_string()))
                    (fact("Photos in use", &roster.photos.to_string()))
                    (fact("Last synchronised", sync.last_success.as_deref().unwrap_or("never")))
                    (fact("From", bare(&sync.source)))
                }
                @if let Some(summary) = &sync.summary { p.quiet { (summary) } }
                @if let Some(error) = &sync.error { p.outcome.attention { (error) } }
                @if let Some(progress) = &sync.progress {
                    div.progress {
                        label for="sync-progress" {
                            (progress.step)
                            @if progress.total > 0 { ": " (progress.done) " of " (progress.total) }
                        }
                        @if progress.total > 0 {
                            progress #sync-progress value=(progress.done) max=(progress.total) {}
                        } @else {
                            progress #sync-progress {}
                        }
                    }
                }
                (action(home, "sync", "Sync photos now"))
                (action(home, "test-photos", "Test connection"))
                @if let Some(removal) = &sync.removal {
                    div.ask {
                        p { "The photo server no longer has " strong { (removal.students) " of " (removal.of) " students" } ". Were they really removed?" }
                        (action(home, "confirm-removal", "Yes, remove them here too"))
                    }
                }
                @let open = roster.refused.iter().filter(|photo| photo.accepted_by.is_none());
                @let (open, all) = (open.clone().take(REFUSED_SHOWN).collect::<Vec<_>>(), open.count());
                @if all > 0 {
                    details #refused {
                        summary { (all) @if all == 1 { " photo is not in use" } @else { " photos are not in use" } }
                        ul.refused {
                            @for (at, photo) in open.into_iter().enumerate() {
                                li { (refused(at, photo)) }
                            }
                        }
                    }
                }
                p { a #all-photos href="/photos" { "All photos’ problems, and the students’ list" } }
            }
        }
    }
}

fn refused(at: usize, photo: &RefusedPhoto) -> Markup {
    let query =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("photo", &photo.photo).finish();
    let address = format!("/roster/picture.svg?{query}");
    html! {
        strong { (photo.photo) }
        p { (photo.reason) }
        @if photo.picture {
            details id=(format!("seen-{at}")) data-picture=(address) data-alt=(format!("What the detector saw in {}", photo.photo)) {
                summary { "What the detector saw" }
                p { a id=(format!("show-{at}")) href=(address) { "Show the picture" } }
            }
        }
    }
}

pub(super) fn system(home: &Home<'_>) -> Markup {
    let system = &home.view.system;
    let expires = home.identity.expires;
    let days = (expires - OffsetDateTime::now_utc()).whole_days();
    html! {
        section.card aria-labelledby="system-title" {
            h2 #system-title { "System" }
            div #system data-live {
                dl {
                    (fact("Version", &system.version))
                    @if let Some(slot) = &system.slot { (fact("Slot", slot)) }
                    (fact("Running for", &hours_minutes_seconds(system.uptime_s)))
                    (fact("Clock", match &system.clock_doubt {
                        Some(doubt) => doubt,
                        None if system.clock_trusted => "right",
                        None => "not set yet",
                    }))
                    @if let Some(celsius) = system.temperature_c {
                        @let slowed = if system.slowed_by_heat { ", slowed down by heat" } else { "" };
                        (fact("Temperature", &format!("{celsius:.0} °C{slowed}")))
                    }
                    @if let (Some(free), Some(total)) = (system.storage_free, system.storage_total) { (fact("Storage", &free_of(free, total))) }
                    @if let Some(card) = &home.view.card { (fact("Card", card.line())) }
                    @if let (Some(free), Some(total)) = (system.memory_free, system.memory_total) { (fact("Memory", &free_of(free, total))) }
                    (fact("Liveness check", system.liveness.as_str()))
                    (fact("Scene behind people", system.scene.text()))
                    (fact("Certificate", &format!("until {} ({days} days)", expires.date())))
                }
                @if system.clock_doubt.is_some() { (action(home, "confirm-time", "The clock is right")) }
                @else { (outcome(home, "confirm-time")) }
                @let workers = &home.view.workers;
                @if workers.iter().all(|worker| worker.state == WorkerState::Running) {
                    details #all-workers { summary { "All " (workers.len()) " workers run" } (table(workers)) }
                } @else {
                    (table(workers))
                }
            }
        }
    }
}

fn table(workers: &[Worker]) -> Markup {
    html! {
        table.workers {
            caption { "Workers" }
            thead { tr { th scope="col" { "Name" } th scope="col" { "State" } } }
            tbody {
                @for worker in workers {
                    tr {
                        th scope="row" { (worker.name) }
                        td {
                            span.badge.(if worker.state == WorkerState::Running { "well" } else { "attention" }) { (worker.state) }
                            @match worker.restarts {
                                0 => {}
                                1 => p.quiet { "restarted once" },
                                times => p.quiet { "restarted " (times) " times" },
                            }
                            @if let Some(reason) = &worker.reason { p.quiet { (reason) } }
                        }
                    }
                }
            }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// An address as people say it.
fn bare(url: &str) -> &str {
    url.strip_prefix("https://").unwrap_or(url)
}

fn rows(count: usize) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

fn age(seconds: f32) -> String {
    if seconds < 2.0 { "just now".to_owned() } else { format!("{seconds:.0} s ago") }
}

fn free_of(free: u64, total: u64) -> String {
    format!("{} free of {}", size(free), size(total))
}

/// Bytes as people read them, decimal.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes >= 1e9 { format!("{:.1} GB", bytes / 1e9) } else { format!("{:.0} MB", bytes / 1e6) }
}
