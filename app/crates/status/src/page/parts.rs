//! What every section of the page is made from: the state it shows, and the forms that ask for an action.

use base::identity::MAX_LENGTH;
use maud::{Markup, html};
use office::day::{Day, Entry, Person};

use super::day::{NO_DEPARTURE, key};
use crate::auth::Who;
use crate::certificate::Identity;
use crate::history::Sample;
use crate::jobs::Jobs;
use crate::request;
use crate::rights::{Rights, of_button};
use crate::routes::{Access, Endpoint};
use crate::view::{Problem, Row, View};

/// Everything the page shows.
pub(crate) struct Home<'a> {
    pub(crate) view: &'a View,
    pub(crate) problems: &'a [Problem],
    pub(crate) identity: &'a Identity,
    pub(crate) log: &'a [String],
    pub(crate) jobs: &'a Jobs,
    /// The last day in numbers.
    pub(crate) history: &'a [Sample],
    /// Largest update bundle taken.
    pub(crate) bundle_bytes: u64,
    /// The log-in's token, for every form.
    pub(crate) csrf: &'a str,
    /// What the person may do.
    pub(crate) may: May<'a>,
    pub(crate) shown: Shown,
}

/// What the person who looks may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct May<'a> {
    pub(crate) who: &'a Who,
    pub(crate) rights: Rights,
}

impl May<'_> {
    /// Whether they may use what leads to this endpoint.
    pub(super) fn see(self, endpoint: Endpoint) -> bool {
        self.who.may(Access::Page, self.rights.least(endpoint))
    }

    /// Whether they may press the button of this kind.
    fn press(self, kind: &str) -> bool {
        of_button(kind).is_some_and(|endpoint| self.see(endpoint))
    }
}

/// Which day is asked for, and what is known of it.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// What is asked for.
    pub(crate) filter: Filter,
    /// What was asked for as a day and is none.
    pub(crate) no_day: Option<String>,
    /// The rows of another day than today, or why they cannot be read.
    pub(crate) rows: Option<Result<Vec<Row>, String>>,
    /// Everybody's state on the day, or why it is not known.
    pub(crate) states: Option<Result<Day, String>>,
}

/// What part of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Another day than today, `YYYY-MM-DD`.
    pub(crate) day: Option<String>,
    /// Part of a name or roll number.
    pub(crate) search: String,
    /// One class; empty: all.
    pub(crate) class: String,
    /// One state, as [`super::day::key`] has it; empty: all.
    pub(crate) state: String,
    /// Which screen of the list, from 1.
    pub(crate) page: usize,
    /// All rows instead of the newest.
    pub(crate) all: bool,
}

impl Filter {
    /// What a query asks for, but for the day.
    pub(crate) fn of(query: &str) -> Self {
        let field = |name| request::field(query.as_bytes(), name);
        let text = |name| -> String {
            field(name).map(|text| text.trim().chars().take(MAX_LENGTH).collect()).unwrap_or_default()
        };
        Self {
            day: None,
            search: text("q"),
            class: text("class"),
            state: text("state"),
            page: field("page").and_then(|page| page.parse().ok()).unwrap_or(1).clamp(1, 10_000),
            all: field("all").is_some(),
        }
    }

    /// Whether an entry belongs to what is searched for, whatever its state.
    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        self.holds_person(&entry.person)
    }

    /// Whether a person belongs to what is searched for.
    pub(crate) fn holds_person(&self, person: &Person) -> bool {
        let search = self.search.to_lowercase();
        (self.class.is_empty() || person.class == self.class)
            && (person.roll.to_lowercase().contains(&search) || person.name.to_lowercase().contains(&search))
    }

    /// Whether an entry has the state that is asked for.
    pub(crate) fn is_state(&self, entry: &Entry) -> bool {
        match self.state.as_str() {
            "" => true,
            NO_DEPARTURE => entry.no_departure,
            state => key(entry.state) == state,
        }
    }

    /// Whether anything is left out.
    pub(crate) fn is_narrow(&self) -> bool {
        !(self.search.is_empty() && self.class.is_empty() && self.state.is_empty())
    }

    /// The address of a screen of the list, with another state where one is given.
    pub(crate) fn address(&self, path: &str, state: Option<&str>, page: usize) -> String {
        let mut query = self.query(state.unwrap_or(&self.state));
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        address(path, query)
    }

    /// The address at which the same choice is downloaded, or shown with all its rows.
    pub(crate) fn address_with(&self, path: &str, pairs: &[(&str, &str)]) -> String {
        let mut query = self.query(&self.state);
        for (name, value) in pairs {
            query.append_pair(name, value);
        }
        address(path, query)
    }

    fn query(&self, state: &str) -> url::form_urlencoded::Serializer<'static, String> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let day = self.day.as_deref().unwrap_or_default();
        for (name, value) in [("day", day), ("q", &self.search), ("class", &self.class), ("state", state)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query
    }
}

fn address(path: &str, mut query: url::form_urlencoded::Serializer<'static, String>) -> String {
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' }),
    }
}

/// A button that asks for an action, and what became of it the last time; nothing for who may not press it.
pub(super) fn action(home: &Home<'_>, kind: &str, label: &str) -> Markup {
    let under_way = home.jobs.under_way(kind);
    if !home.may.press(kind) {
        return html! {};
    }
    html! {
        form.action method="post" action=(format!("/do/{kind}")) data-act {
            (token(home.csrf))
            button id=(format!("do-{kind}")) type="submit" aria-busy=[under_way.then_some("true")] { (label) }
            (outcome(home, kind))
        }
    }
}

/// What became of the last action of this kind.
pub(super) fn outcome(home: &Home<'_>, kind: &str) -> Markup {
    html! {
        @if home.jobs.under_way(kind) {
            p.outcome { "Under way. It goes on by itself; you can leave this page." }
        } @else {
            @match home.jobs.last(kind) {
                Some(Ok(done)) => p.outcome.well { (done.message) },
                Some(Err(refused)) => p.outcome.broken {
                    (refused.message)
                    @if !refused.details.is_empty() { " " span.quiet { (refused.details) } }
                },
                None => {}
            }
        }
    }
}

/// The hidden field that proves a form is ours.
pub(super) fn token(csrf: &str) -> Markup {
    html! { input type="hidden" name="csrf" value=(csrf); }
}

/// The time of day of a local time stamp.
pub(super) fn time_of(timestamp: &str) -> &str {
    timestamp.split_once(' ').map_or(timestamp, |(_, time)| time)
}
