//! Attendance on the page: today's rows or another day's, searched, and as a file.

use maud::{Markup, html};
use office::day::Day;

use super::correct::{self, Form, KINDS};
use super::day::{arrows, classes, list, row_holds};
use super::filter::Filter;
use super::parts::{Home, outcome, time_of, token};
use crate::request::date;
use crate::routes::Endpoint;
use view::{Row, RowDelivery, RowStatus};

/// Rows shown before one asks for all: a busy day has thousands, the page is sent again with every change,
/// and on a phone the rest of the page stands below them.
const SHOWN: usize = 12;

/// The section.
pub(super) fn section(home: &Home<'_>) -> Markup {
    let today = &home.view.today;
    let filter = &home.shown.filter;
    let day = filter.day.as_deref().unwrap_or(&today.date);
    let is_today = filter.day.is_none();
    let states = home.shown.states.as_ref().and_then(|states| states.as_ref().ok());
    let back = filter.address("/", None, filter.page);
    let may_correct = home.may.see(Endpoint::ChangeRow);
    let form = may_correct.then_some(Form { csrf: home.csrf, back: &back });
    html! {
        section.card.attendance aria-labelledby="attendance-title" {
            div.title #attendance-head data-live {
                h2 #attendance-title { @if is_today { "Today’s attendance" } @else { "Attendance of " (day) } }
                nav.days aria-label="Days" {
                    @if let (Some(shown), Some(now)) = (date(day), date(&today.date)) { (arrows(shown, now, filter, "/")) }
                    @if !is_today { a.button href=(Filter { day: None, ..filter.clone() }.address("/", None, 1)) { "Today" } }
                }
            }
            // Outside the parts that are replaced: what is typed stays. The script tells it which day is the
            // last.
            form.filter #filter method="get" action="/" role="search" {
                label { span { "Name or roll number" } input #search type="search" name="q" value=(filter.search) autocomplete="off" maxlength="64"; }
                label { span { "Day" } input #day type="date" name="day" value=(day) max=(today.date); }
                @if let Some(states) = states {
                    @let classes = classes(states);
                    @if !classes.is_empty() {
                        label { span { "Class" }
                            select #class name="class" {
                                option value="" { "all" }
                                @for class in classes { option value=(class) selected[class == filter.class] { (class) } }
                            }
                        }
                    }
                }
                button type="submit" { "Show" }
            }
            @if let Some(text) = &home.shown.no_day {
                p #no-day .outcome.broken role="alert" { "“" (text) "” is not a date. Write it like " (today.date) "." }
            } @else {
                div #list data-live {
                    @match &home.shown.states {
                        Some(Ok(states)) => (list(states, filter, "/")),
                        Some(Err(reason)) => p.outcome.broken { (reason) },
                        None => {}
                    }
                }
                @if home.view.school.is_some() {
                    p.quiet {
                        "The table and its downloads count the visits at all doors, about a week back. Older days and the rows below are this door’s alone."
                    }
                }
                p.downloads #downloads data-live {
                    "Download: "
                    a #sheet-csv href=(filter.address_with("/sheets/day.csv", &[])) download { "CSV" } " "
                    a #sheet-xlsx href=(filter.address_with("/sheets/day.xlsx", &[])) download { "Excel" } " "
                    a #csv href=(format!("/attendance/{day}.csv")) download { "rows" } " · "
                    a href="/range" { "Several days" }
                }
                h3 { "Rows" }
                @if is_today { (closing(home)) }
                @for kind in KINDS { (outcome(home, kind)) }
                div #rows data-live {
                    @match &home.shown.rows {
                        Some(Err(reason)) => p.outcome.broken { (reason) },
                        Some(Ok(rows)) => (table(rows, states, filter, is_today, form)),
                        None => (table(&today.rows, states, filter, is_today, form)),
                    }
                }
            }
        }
    }
}

/// When OUT rows are sent, and the way to send them now. It cannot be undone, so it takes two steps; also
/// without scripts.
fn closing(home: &Home<'_>) -> Markup {
    let today = &home.view.today;
    html! {
        div #closing data-live {
            @if !today.outs_are_sent.is_empty() {
                p.quiet { (today.outs_are_sent) }
                @if !today.closed && home.may.see(Endpoint::CloseDay) {
                    details #close {
                        summary { "Close the day now" }
                        form.action method="post" action="/do/close-day" data-act {
                            (token(home.csrf))
                            p { "The " (today.open_outs) " open OUT rows are sent. A student who is seen later is shown as late." }
                            button #do-close-day type="submit" { "Yes, close the day" }
                        }
                    }
                }
            }
            // Outside the form: the message stays when it is gone.
            (outcome(home, "close-day"))
        }
    }
}

fn table(rows: &[Row], day: Option<&Day>, filter: &Filter, is_today: bool, form: Option<Form<'_>>) -> Markup {
    let search = filter.search.as_str();
    let found: Vec<_> = rows.iter().filter(|row| row_holds(row, day, filter)).collect();
    let count = |status: RowStatus| found.iter().filter(|row| row.status == status).count();
    let shown = if filter.all { found.len() } else { SHOWN.min(found.len()) };
    html! {
        p.counts {
            strong { (count(RowStatus::In)) } " in, " strong { (count(RowStatus::Out)) } " out"
            @if !search.is_empty() { " with “" (search) "” in name or roll number" }
        }
        @if found.is_empty() {
            p.empty {
                @if filter.is_narrow() { "No row of this choice." }
                @else if is_today { "Nobody yet today. Rows appear here as people pass the camera." }
                @else { "Nobody on this day." }
            }
        } @else {
            table {
                thead { tr { th scope="col" { "Roll number" } th scope="col" { "Status" } th scope="col" { "Time" } th scope="col" { "Backend" } } }
                tbody {
                    // The newest first: that is what a technician who just stood before the camera looks for.
                    @for row in found.iter().rev().take(shown) {
                        tr {
                            th scope="row" { (row.name) }
                            td { span.status.(if row.status == RowStatus::In { "in" } else { "out" }) { (row.status.as_str()) } }
                            td {
                                (time_of(&row.timestamp))
                                @if row.provisional { " " span.badge.attention { "clock not set" } }
                                @if !row.note.is_empty() { " " span.quiet { (row.note) } }
                            }
                            td {
                                @if row.open { span.badge { "open" } } @else { (delivery(row.delivery)) }
                                @if let Some(form) = form { " " (correct::row(form, row)) }
                            }
                        }
                    }
                }
            }
            @if shown < found.len() {
                p { a #all-rows href=(filter.address_with("/", &[("all", "1")])) { "Show all " (found.len()) " rows" } }
            }
        }
    }
}

fn delivery(state: RowDelivery) -> Markup {
    match state {
        RowDelivery::Delivered => {
            html! { span.quiet { span aria-hidden="true" { "✓ " } span.word { "delivered" } } }
        }
        RowDelivery::NeedsPerson => html! { span.badge.attention { "refused" } },
        RowDelivery::Conflict => html! { span.badge.attention { "conflict" } },
        RowDelivery::Void => html! { span.quiet { "void" } },
        RowDelivery::Waiting => html! { span.badge { "waiting" } },
        RowDelivery::Dismissed => html! { span.quiet { "dismissed" } },
    }
}
