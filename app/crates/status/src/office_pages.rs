//! The office's addresses: days, ranges, sheets to download, students and photos.

use std::sync::Arc;

use http::StatusCode;
use office::day::{Day, Entry, State};
use office::range::{MOST_DAYS, Total, days as dates_of, month, totals};
use office::sheet::{Cell, Sheet};
use time::{Date, Duration};

use super::actions::acted;
use super::asked::Asked;
use super::page;
use super::page::Filter;
use super::refusals::{busy, unexpected};
use super::reply::{Reply, download, error, json};
use super::request;
use super::routes::Endpoint;
use super::service::Service;
use super::views::DETECTION_WAIT;
use view::{Action, Row};

/// Days of a student's page.
const DAYS_OF_STUDENT: i64 = 31;
const CSV: &str = "text/csv; charset=utf-8";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

impl Service {
    /// Everybody's states on these days.
    pub(super) async fn states(&self, from: Date, to: Date) -> Result<Vec<Day>, String> {
        let source = Arc::clone(&self.source);
        match tokio::task::spawn_blocking(move || source.days(from, to)).await {
            Ok(days) => days.map_err(|refused| refused.message),
            Err(_) => Err("The days cannot be read; the log says more.".to_owned()),
        }
    }

    /// The site's date.
    pub(super) fn today(&self) -> Option<Date> {
        request::date(&self.source.view().today.date)
    }

    /// `/range`.
    pub(super) async fn range(&self, asked: &Asked) -> Reply {
        let Some(today) = self.today() else { return unexpected() };
        let filter = Filter::of(&asked.query);
        let (from, to) = match span(&asked.query, today) {
            Ok(span) => span,
            Err(reason) => {
                let shown = page::Range { from: today, to: today, days: Err(reason), filter };
                return page::range(&shown);
            }
        };
        let Ok(Ok(_turn)) = tokio::time::timeout(DETECTION_WAIT, self.sheets.acquire()).await else {
            return busy();
        };
        let days = match dates_of(from, to) {
            Some(_) => self.states(from, to).await,
            None => Err(too_many()),
        };
        let days = days.as_ref().map(Vec::as_slice).map_err(Clone::clone);
        page::range(&page::Range { from, to, days, filter })
    }

    /// A day, a range or a month as a file.
    pub(super) async fn sheet(&self, asked: &Asked) -> Reply {
        let Some(today) = self.today() else { return unexpected() };
        let field = |name| request::field(asked.query.as_bytes(), name);
        let refused = |reason: &str| error(StatusCode::BAD_REQUEST, reason, "");
        let name = asked.part.as_deref().unwrap_or_default();
        let Some((what, kind)) = name.rsplit_once('.').filter(|(_, kind)| ["csv", "xlsx"].contains(kind))
        else {
            return error(StatusCode::NOT_FOUND, "There is no such sheet.", "");
        };
        let span = match what {
            "day" => match field("day").as_deref() {
                None => Ok((today, today)),
                Some(day) => request::date(day).map(|day| (day, day)).ok_or_else(|| no_date(day)),
            },
            "range" => span(&asked.query, today),
            "month" => {
                let text = field("month").unwrap_or_else(|| today.to_string()[..7].to_owned());
                month(&text).map(|(from, to)| (from, to.min(today).max(from))).ok_or_else(|| {
                    format!("“{}” is not a month. Write it like {}.", short(&text), &today.to_string()[..7])
                })
            }
            _ => return error(StatusCode::NOT_FOUND, "There is no such sheet.", ""),
        };
        let (from, to) = match span {
            Ok(span) => span,
            Err(reason) => return refused(&reason),
        };
        if dates_of(from, to).is_none() {
            return refused(&too_many());
        }
        let Ok(Ok(_turn)) = tokio::time::timeout(DETECTION_WAIT, self.sheets.acquire()).await else {
            return busy();
        };
        let days = match self.states(from, to).await {
            Ok(days) => days,
            Err(reason) => return error(StatusCode::INTERNAL_SERVER_ERROR, &reason, ""),
        };
        let filter = Filter::of(&asked.query);
        let (file, is_csv) = (format!("attendance-{}.{kind}", called(what, from, to)), kind == "csv");
        let in_months = what == "month";
        let made = tokio::task::spawn_blocking(move || {
            let sheet = if in_months { month_sheet(&days, &filter) } else { days_sheet(&days, &filter) };
            if is_csv { sheet.csv() } else { sheet.xlsx() }
        });
        match made.await {
            Ok(Ok(bytes)) => download(if is_csv { CSV } else { XLSX }, &file, bytes),
            Ok(Err(problem)) => {
                log::error!("{problem}");
                unexpected()
            }
            Err(_) => unexpected(),
        }
    }

    /// `/student/{roll}`.
    pub(super) async fn student(&self, asked: &Asked) -> Reply {
        let Some(today) = self.today() else { return unexpected() };
        let roll = asked.part.clone().unwrap_or_default();
        let from = today - Duration::days(DAYS_OF_STUDENT - 1);
        let days = self.states(from, today).await;
        let of_student = |day: &Day| day.entries.iter().find(|entry| entry.person.roll == roll).cloned();
        let days: Result<Vec<(Day, Option<Entry>)>, String> = days.map(|days| {
            let days = days.into_iter().rev();
            days.map(|day| (of_student(&day), day)).map(|(entry, day)| (day, entry)).collect()
        });
        let was_seen = days.as_ref().is_ok_and(|days| days.iter().any(|(_, entry)| entry.is_some()));
        let source = Arc::clone(&self.source);
        let wanted = roll.clone();
        let about = match tokio::task::spawn_blocking(move || source.student(&wanted)).await {
            Ok(about) => about.or_else(|| was_seen.then(Default::default)),
            Err(_) => return unexpected(),
        };
        match about {
            Some(about) => {
                let may_see_photos = self.may(asked, Endpoint::Roster);
                let day = request::field(asked.query.as_bytes(), "day").and_then(|day| request::date(&day));
                let day = day.filter(|day| *day <= today).unwrap_or(today);
                let (day_text, today) = (day.to_string(), today.to_string());
                let back = format!("/student/{roll}?day={day}");
                let corrections = match self.may(asked, Endpoint::ChangeRow) {
                    true => Some(self.rows_of(&roll, day).await),
                    false => None,
                };
                let corrections = corrections.map(|(rows, corrected)| page::Corrections {
                    day: &day_text,
                    today: &today,
                    rows,
                    corrected,
                    form: page::Form { csrf: asked.csrf(), back: &back },
                    outcomes: page::KINDS.iter().filter_map(|kind| self.jobs.last(kind)).collect(),
                });
                let may_erase = self.may(asked, Endpoint::EraseStudent);
                let erasing = may_erase.then(|| (asked.csrf(), asked.query == "erase=other"));
                let at_the_door = self.pictures_of(asked, &roll);
                let corrections = corrections.as_ref();
                page::student(&roll, &about, &days, may_see_photos, corrections, erasing, &at_the_door)
            }
            None => error(StatusCode::NOT_FOUND, "Nobody has this roll number.", ""),
        }
    }

    /// A student's rows of a day, and what was corrected of them.
    async fn rows_of(&self, roll: &str, day: Date) -> (Result<Vec<Row>, String>, Vec<Row>) {
        let (source, roll) = (Arc::clone(&self.source), roll.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let of_student =
                |rows: Vec<Row>| rows.into_iter().filter(|row| row.name == roll).collect::<Vec<_>>();
            let rows = source.rows(day).map(of_student).map_err(|refused| refused.message);
            (rows, source.corrected(day).map(of_student).unwrap_or_default())
        });
        read.await
            .unwrap_or_else(|_| (Err("The rows cannot be read; the log says more.".to_owned()), Vec::new()))
    }

    /// Takes an uploaded students' list.
    pub(super) async fn take_students(&self, asked: &Asked) -> Reply {
        if asked.body.is_empty() {
            return error(
                StatusCode::BAD_REQUEST,
                "The request holds no list.",
                "Send a CSV file as the body.",
            );
        }
        self.log_change(asked, &format!("a students' list of {} bytes", asked.body.len()));
        let action = Action::TakeStudents { file: asked.body.clone(), by: asked.who.to_string() };
        let outcome = self.outcome(action).await;
        let status = if outcome.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        json(status, &acted(&outcome))
    }
}

/// The days a query asks for; without them the last seven.
fn span(query: &str, today: Date) -> Result<(Date, Date), String> {
    let day = |name: &str, otherwise: Date| match request::field(query.as_bytes(), name) {
        None => Ok(otherwise),
        Some(text) => request::date(&text).ok_or_else(|| no_date(&text)),
    };
    let to = day("to", today)?;
    let from = day("from", to - Duration::days(6))?;
    if from > to {
        return Err(format!("The first day, {from}, is after the last, {to}."));
    }
    Ok((from, to))
}

fn no_date(text: &str) -> String {
    format!("“{}” is not a date. Write it like 2026-11-23.", short(text))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn too_many() -> String {
    format!("These are too many days. Choose at most {MOST_DAYS}.")
}

fn called(what: &str, from: Date, to: Date) -> String {
    match what {
        "month" => from.to_string()[..7].to_owned(),
        _ if from == to => from.to_string(),
        _ => format!("{from}-to-{to}"),
    }
}

/// One line a student and day.
fn days_sheet(days: &[Day], filter: &Filter) -> Sheet {
    let head = ["Date", "Roll number", "Name", "Class", "State", "In", "Out", "No departure seen"];
    let rows = days.iter().flat_map(|day| {
        let entries = day.entries.iter().filter(|entry| filter.holds(entry) && filter.is_state(entry));
        entries.map(|entry| {
            let clock = |time: Option<time::Time>| time.map(|time| time.to_string()).unwrap_or_default();
            let person = &entry.person;
            vec![
                Cell::from(day.date.to_string()),
                Cell::from(person.roll.as_str()),
                Cell::from(person.name.as_str()),
                Cell::from(person.class.as_str()),
                Cell::from(entry.state.as_str()),
                Cell::from(clock(entry.arrived).split('.').next().unwrap_or_default()),
                Cell::from(clock(entry.left).split('.').next().unwrap_or_default()),
                Cell::from(if entry.no_departure { "yes" } else { "" }),
            ]
        })
    });
    Sheet { title: "Attendance".to_owned(), head: head.map(str::to_owned).to_vec(), rows: rows.collect() }
}

/// One line a student, one column a day.
fn month_sheet(days: &[Day], filter: &Filter) -> Sheet {
    let first = ["Roll number", "Name", "Class"].map(str::to_owned);
    let last = ["Present", "Late", "Absent", "No departure seen"].map(str::to_owned);
    let of_days = days.iter().map(|day| day.date.day().to_string());
    let head = first.into_iter().chain(of_days).chain(last).collect();
    let line = |total: &Total| {
        let person = &total.person;
        let mut cells: Vec<Cell> =
            [&person.roll, &person.name, &person.class].map(|text| text.as_str().into()).to_vec();
        cells.extend(total.letters.iter().map(|letter| Cell::from(*letter)));
        cells.extend([total.present, total.late, total.absent, total.no_departure].map(Cell::from));
        cells
    };
    let all = totals(days);
    let mut rows: Vec<Vec<Cell>> =
        all.iter().filter(|total| filter.holds_person(&total.person)).map(line).collect();
    let legend = [State::Present, State::Late, State::Absent, State::NotSeenYet]
        .map(|state| format!("{} {}", state.letter(), state.as_str()));
    rows.push(vec![Cell::from(legend.join(", "))]);
    let title = days.first().map_or_else(String::new, |day| day.date.to_string()[..7].to_owned());
    Sheet { title, head, rows }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use office::day::{Now, Person, Rules, Seen, judge};
    use time::macros::{date, datetime};

    fn days() -> Vec<Day> {
        let persons = ["7", "8"].map(|roll| Person {
            roll: roll.to_owned(),
            name: format!("=Name {roll}"),
            class: "9 B".to_owned(),
            enrolled: true,
        });
        let rows = [Seen {
            roll: "7".to_owned(),
            is_in: true,
            at: datetime!(2026-11-23 8:05:09),
            provisional: false,
        }];
        let now = Now { date: date!(2026 - 11 - 24), time: datetime!(2026-11-24 7:00), closed: false };
        let rules = Rules { departures: true, ..Rules::default() };
        let of = |date: Date, rows: &[Seen]| judge(date, &now, &rules, &persons, rows);
        vec![of(date!(2026 - 11 - 23), &rows), of(date!(2026 - 11 - 24), &[])]
    }

    #[test]
    fn a_sheet_has_a_line_for_each_student_and_day_of_the_choice() {
        let sheet = days_sheet(&days(), &Filter::of("state=no-departure"));
        let text = String::from_utf8(sheet.csv().unwrap()).unwrap();
        assert!(text.ends_with("2026-11-23,7,'=Name 7,9 B,present,8:05:09,,yes\r\n"), "{text}");
        assert_eq!(sheet.rows.len(), 1);
        assert_eq!(days_sheet(&days(), &Filter::of("q=name 8")).rows.len(), 2);
    }

    #[test]
    fn a_months_sheet_has_a_column_for_each_day() {
        let text = String::from_utf8(month_sheet(&days(), &Filter::of("")).csv().unwrap()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "\u{feff}Roll number,Name,Class,23,24,Present,Late,Absent,No departure seen");
        assert_eq!(lines[1], "7,'=Name 7,9 B,P,?,1,0,0,1");
        assert_eq!(lines[2], "8,'=Name 8,9 B,A,?,0,0,1,0");
    }

    #[test]
    fn a_span_says_which_text_is_no_date() {
        let today = date!(2026 - 11 - 24);
        assert_eq!(span("", today), Ok((date!(2026 - 11 - 18), today)));
        assert!(span("from=2026-13-45", today).unwrap_err().contains("“2026-13-45” is not a date"));
        assert!(span("from=2026-11-25&to=2026-11-24", today).unwrap_err().contains("after the last"));
    }
}
