//! What part of a list of students is asked for, from an address and into one.

use base::identity::MAX_LENGTH;
use office::day::{Entry, Person, State};

use crate::request;

/// What part of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Another day than today, `YYYY-MM-DD`.
    pub(crate) day: Option<String>,
    /// Part of a name or roll number.
    pub(crate) search: String,
    /// One class; empty: all.
    pub(crate) class: String,
    /// One state, as [`key`] has it; empty: all.
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

    /// The address that downloads the same selection, or shows all its rows.
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

/// How the state `no departure seen` is asked for.
pub(super) const NO_DEPARTURE: &str = "no-departure";

/// How a state is asked for.
pub(super) fn key(state: State) -> &'static str {
    match state {
        State::Present => "present",
        State::Late => "late",
        State::NotSeenYet => "not-seen",
        State::Absent => "absent",
        State::NoAttendance => "none",
    }
}

fn address(path: &str, mut query: url::form_urlencoded::Serializer<'static, String>) -> String {
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' }),
    }
}
