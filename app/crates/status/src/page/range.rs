//! `/range`: every student's counts over several days.

use http::StatusCode;
use maud::{Markup, html};
use office::day::Day;
use office::range::{MOST_DAYS, Total, days_with_attendance, totals};
use time::Date;

use super::day::{classes, page_of, paging};
use super::document;
use super::filter::Filter;
use crate::reply::Reply;

/// What the page shows.
pub(crate) struct Range<'a> {
    pub(crate) from: Date,
    pub(crate) to: Date,
    /// The days, or why they cannot be shown.
    pub(crate) days: Result<&'a [Day], String>,
    pub(crate) filter: Filter,
}

/// The page.
pub(crate) fn range(range: &Range<'_>) -> Reply {
    let (from, to, filter) = (range.from, range.to, &range.filter);
    let status = if range.days.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let known: Vec<&str> =
        range.days.as_ref().ok().and_then(|days| days.last()).map(classes).unwrap_or_default();
    let body = html! {
        body.office {
            header.top {
                h1 { "Attendance of several days" }
                a.button href="/" { "Back to today" }
            }
            main {
                section.card aria-labelledby="range-title" {
                    h2 #range-title { (from) " to " (to) }
                    form.filter method="get" action="/range" {
                        label { span { "From" } input type="date" name="from" value=(from) required; }
                        label { span { "To" } input type="date" name="to" value=(to) required; }
                        label { span { "Name or roll number" } input type="search" name="q" value=(filter.search) autocomplete="off" maxlength="64"; }
                        @if !known.is_empty() {
                            label { span { "Class" }
                                select name="class" {
                                    option value="" { "all" }
                                    @for class in known { option value=(class) selected[class == filter.class] { (class) } }
                                }
                            }
                        }
                        button type="submit" { "Show" }
                    }
                    @match &range.days {
                        Err(reason) => p #no-range .outcome.broken role="alert" { (reason) },
                        Ok(days) => (table(days, range)),
                    }
                }
            }
        }
    };
    document(status, "Attendance of several days", &html! {}, &body)
}

fn table(days: &[Day], range: &Range<'_>) -> Markup {
    let (filter, from, to) = (&range.filter, range.from, range.to);
    let all = totals(days);
    let found: Vec<&Total> = all.iter().filter(|total| filter.holds_person(&total.person)).collect();
    let place = |path: &str| filter.address(&format!("{path}?from={from}&to={to}"), None, 1);
    let month = &from.to_string()[..7];
    html! {
        p.quiet { (days_with_attendance(days)) " of " (days.len()) " days have attendance. At most " (MOST_DAYS) " days are shown at once." }
        p.downloads {
            "Download these days: "
            a href=(place("/sheets/range.csv")) download { "CSV" } " "
            a href=(place("/sheets/range.xlsx")) download { "Excel" }
            " · Month " (month) " by student: "
            a href=(filter.address(&format!("/sheets/month.csv?month={month}"), None, 1)) download { "CSV" } " "
            a href=(filter.address(&format!("/sheets/month.xlsx?month={month}"), None, 1)) download { "Excel" }
        }
        @if found.is_empty() { p.empty { "Nobody of this choice." } } @else {
            div.across tabindex="0" role="region" aria-label="Students" {
                table.people-of-day {
                    thead { tr { th scope="col" { "Student" } th.class scope="col" { "Class" } th scope="col" { "Present" } th scope="col" { "Late" } th scope="col" { "Absent" } th scope="col" { "No departure" } } }
                    tbody {
                        @for total in page_of(&found, filter.page) {
                            tr {
                                th scope="row" {
                                    a href=(format!("/student/{}", total.person.roll)) { @if total.person.name.is_empty() { (total.person.roll) } @else { (total.person.name) } }
                                    @if !total.person.name.is_empty() { " " span.quiet { (total.person.roll) } }
                                }
                                td.class { (total.person.class) }
                                td { (total.present) } td { (total.late) } td { (total.absent) } td { (total.no_departure) }
                            }
                        }
                    }
                }
            }
            (paging(filter, &format!("/range?from={from}&to={to}"), found.len()))
        }
    }
}
