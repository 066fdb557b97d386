//! Forms with which the office corrects attendance: a row's time, a row that is wrong, one that is missing.

use http::StatusCode;
use maud::{Markup, html};

use super::document;
use super::parts::{time_of, token};
use crate::reply::Reply;
use crate::request::LONGEST_REASON;
use view::{Action, Row, RowDelivery};

/// Kinds of corrections, as their outcomes are kept.
pub(crate) const KINDS: [&str; 4] = Action::CORRECTIONS;

/// What every form of a page needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'a> {
    /// The log-in's token.
    pub(crate) csrf: &'a str,
    /// Where the form stands.
    pub(crate) back: &'a str,
}

impl Form<'_> {
    /// The hidden fields, and the reason.
    fn fields(self) -> Markup {
        html! {
            (token(self.csrf))
            input type="hidden" name="back" value=(self.back);
            label { span { "Reason" } input name="reason" required maxlength=(LONGEST_REASON) autocomplete="off"; }
        }
    }
}

/// The forms of one row, folded.
pub(super) fn row(form: Form<'_>, row: &Row) -> Markup {
    let who = format!("{} {} {}", row.name, row.status, time_of(&row.timestamp));
    let is_sent = row.delivery == RowDelivery::Delivered;
    html! {
        @if !row.id.is_empty() && row.delivery != RowDelivery::Void {
            details.correct id=(format!("correct-{}", row.id)) {
                summary aria-label=(format!("Correct {who}")) { "Correct" }
                @if is_sent {
                    p.quiet { "The backend has this row. It cannot be changed there from here: what you write here is listed under “Delivery”, for somebody to correct it there." }
                }
                form method="post" action=(format!("/attendance/change/{}", row.id)) {
                    label { span { "Time" } input type="time" name="time" step="1" required value=(time_of(&row.timestamp)); }
                    (form.fields())
                    button type="submit" aria-label=(format!("Change the time of {who}")) { "Change the time" }
                }
                form method="post" action=(format!("/attendance/void/{}", row.id)) {
                    p.quiet { "Take it away: the student was not there. The visit counts for nothing then." }
                    (form.fields())
                    button type="submit" aria-label=(format!("Take away {who}")) { "Take it away" }
                }
            }
        }
    }
}

/// The form for a row that is missing.
pub(super) fn add(form: Form<'_>, roll: &str, day: &str, last_day: &str) -> Markup {
    html! {
        details.correct #add-row {
            summary { "Add a row" }
            form method="post" action="/attendance/add" {
                input type="hidden" name="name" value=(roll);
                label { span { "IN or OUT" } select name="status" { option { "IN" } option { "OUT" } } }
                label { span { "Day" } input type="date" name="day" required value=(day) max=(last_day); }
                label { span { "Time" } input type="time" name="time" step="1" required; }
                (form.fields())
                button type="submit" { "Add the row" }
            }
        }
    }
}

/// The form for a row of which nobody knows the day.
pub(super) fn day(form: Form<'_>, id: &str, who: &str, days: &[String]) -> Markup {
    html! {
        @if !days.is_empty() {
            details.correct id=(format!("day-{id}")) {
                summary aria-label=(format!("Say on which day: {who}")) { "Say on which day" }
                form method="post" action=(format!("/attendance/day/{id}")) {
                    p.quiet { "All rows of the same time without a clock get their day with this one." }
                    label { span { "Day" } select name="day" { @for day in days { option { (day) } } } }
                    (form.fields())
                    button type="submit" { "It was on this day" }
                }
            }
        }
    }
}

/// A form that cannot be read, and the way back.
pub(crate) fn not_corrected(reason: &str, back: &str) -> Reply {
    let body = html! {
        body.office {
            main {
                section.card {
                    h1 { "Nothing was corrected" }
                    p.outcome.broken role="alert" { (reason) }
                    p { a.button href=(back) { "Back" } }
                }
            }
        }
    };
    document(StatusCode::BAD_REQUEST, "Nothing was corrected", &html! {}, &body)
}
