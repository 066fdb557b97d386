//! What every section of the page is made from: the state it shows, and the forms that ask for an action.

use maud::{Markup, html};
use office::day::Day;

use super::filter::Filter;
use crate::auth::Who;
use crate::certificate::Identity;
use crate::history::Sample;
use crate::jobs::Jobs;
use crate::rights::{Rights, of_button};
use crate::routes::{Access, Endpoint};
use view::{Problem, Row, View};

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

/// A button for an action, with the result of the last time; empty for those who may not press it.
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

/// The result of the last action of this kind.
pub(super) fn outcome(home: &Home<'_>, kind: &str) -> Markup {
    html! {
        @if home.jobs.under_way(kind) {
            p.outcome { "Under way. It continues in the background; you can leave this page." }
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
