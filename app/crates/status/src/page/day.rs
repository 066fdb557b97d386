//! Everybody's state on one day: counts, a list by class and name, the way to other days, and downloads.

use maud::{Markup, html};
use office::day::{Day, Entry, State};
use time::{Date, Time};

use super::filter::{Filter, NO_DEPARTURE, key};
use view::Row;

/// Lines of a list on one screen.
pub(super) const LINES: usize = 50;

/// The list of a day, with its counts. `path` is the page that shows it.
pub(super) fn list(day: &Day, filter: &Filter, path: &str) -> Markup {
    let found: Vec<&Entry> = day.entries.iter().filter(|entry| filter.holds(entry)).collect();
    let of_state = |state: State| found.iter().filter(|entry| entry.state == state).count();
    let without = found.iter().filter(|entry| entry.no_departure).count();
    let shown: Vec<&Entry> = found.iter().copied().filter(|entry| filter.is_state(entry)).collect();
    html! {
        @if let Some(reason) = day.reason() { p.outcome { (reason) } }
        nav.states aria-label="By state" {
            (state_link(filter, path, "", &format!("{}", found.len()), "all"))
            @for state in State::ALL {
                @let count = of_state(state);
                @if count > 0 || filter.state == key(state) {
                    (state_link(filter, path, key(state), &count.to_string(), state.as_str()))
                }
            }
            @if without > 0 { (state_link(filter, path, NO_DEPARTURE, &without.to_string(), "no departure seen")) }
        }
        @if shown.is_empty() {
            p.empty {
                @if filter.is_narrow() { "Nobody of this choice." }
                @else { "Nobody is known yet. Students appear with their photos, or with a students’ list." }
            }
        } @else {
            div.scroll {
                table.people-of-day {
                    thead { tr { th scope="col" { "Student" } th.class scope="col" { "Class" } th scope="col" { "State" } th scope="col" { "In" } th scope="col" { "Out" } } }
                    tbody { @for entry in page_of(&shown, filter.page) { (line(entry)) } }
                }
            }
            (paging(filter, path, shown.len()))
        }
    }
}

fn line(entry: &Entry) -> Markup {
    let person = &entry.person;
    html! {
        tr {
            th scope="row" {
                a href=(format!("/student/{}", person.roll)) { @if person.name.is_empty() { (person.roll) } @else { (person.name) } }
                @if !person.name.is_empty() { " " span.quiet { (person.roll) } }
                @if !person.enrolled { " " span.badge.attention { "no photo in use" } }
            }
            td.class { (person.class) }
            td { (state(entry)) }
            td { (clock(entry.arrived)) @if entry.provisional { " " span.badge.attention { "clock not set" } } }
            td { (clock(entry.left)) }
        }
    }
}

/// A state as a coloured word.
pub(super) fn state(entry: &Entry) -> Markup {
    let class = match entry.state {
        State::Present => "well",
        State::Late | State::Absent => "attention",
        State::NotSeenYet | State::NoAttendance => "",
    };
    html! {
        span.badge.(class) { (entry.state.as_str()) }
        @if entry.no_departure { " " span.badge { "no departure seen" } }
    }
}

/// A time of day to the minute; nothing for none.
pub(super) fn clock(time: Option<Time>) -> String {
    time.map_or_else(String::new, |time| format!("{:02}:{:02}", time.hour(), time.minute()))
}

fn state_link(filter: &Filter, path: &str, state: &str, count: &str, word: &str) -> Markup {
    let current = filter.state == state;
    html! {
        a href=(filter.address(path, Some(state), 1)) aria-current=[current.then_some("true")] {
            strong { (count) } " " (word)
        }
    }
}

/// The lines of one screen.
pub(super) fn page_of<T>(lines: &[T], page: usize) -> &[T] {
    // As `paging` shows it: a list that became shorter shows its last screen.
    let page = page.clamp(1, lines.len().div_ceil(LINES).max(1));
    let first = (page - 1).saturating_mul(LINES).min(lines.len());
    &lines[first..lines.len().min(first + LINES)]
}

/// The way to the other screens of a list.
pub(super) fn paging(filter: &Filter, path: &str, lines: usize) -> Markup {
    let pages = lines.div_ceil(LINES).max(1);
    let page = filter.page.clamp(1, pages);
    html! {
        @if pages > 1 {
            nav.paging aria-label="Pages of the list" {
                @if page > 1 { a.button rel="prev" href=(filter.address(path, None, page - 1)) { "‹ Previous" } }
                span { ((page - 1) * LINES + 1) "–" (lines.min(page * LINES)) " of " (lines) }
                @if page < pages { a.button rel="next" href=(filter.address(path, None, page + 1)) { "Next ›" } }
            }
        }
    }
}

/// Arrows to the day before and after.
pub(super) fn arrows(day: Date, today: Date, filter: &Filter, path: &str) -> Markup {
    let to = |date: Date| {
        let day = (date != today).then(|| date.to_string());
        Filter { day, page: 1, ..filter.clone() }.address(path, None, 1)
    };
    html! {
        @if let Some(before) = day.previous_day() { a.button.arrow href=(to(before)) aria-label=(format!("The day before, {before}")) { "‹" } }
        @if let Some(after) = day.next_day().filter(|after| *after <= today) {
            a.button.arrow href=(to(after)) aria-label=(format!("The day after, {after}")) { "›" }
        }
    }
}

/// The classes of a day, in their order.
pub(super) fn classes(day: &Day) -> Vec<&str> {
    let mut classes: Vec<&str> = Vec::new();
    for entry in &day.entries {
        let class = entry.person.class.as_str();
        if !class.is_empty() && classes.last() != Some(&class) {
            classes.push(class);
        }
    }
    classes
}

/// Whether a row belongs to what is searched for: by roll number, or by the name in the day's list.
pub(super) fn row_holds(row: &Row, day: Option<&Day>, filter: &Filter) -> bool {
    let entry = day.and_then(|day| day.entries.iter().find(|entry| entry.person.roll == row.name));
    match entry {
        Some(entry) => filter.holds(entry),
        None => filter.class.is_empty() && row.name.to_lowercase().contains(&filter.search.to_lowercase()),
    }
}
