//! Corrections of attendance by hand: what the forms of the page and the API ask for.

use http::StatusCode;
use time::macros::format_description;
use time::{PrimitiveDateTime, Time};
use view::corrections::Correction;
use view::{Action, Refused, RowStatus};

use super::actions::row_id;
use super::asked::Asked;
use super::page;
use super::reply::{Reply, error, see_other};
use super::request;
use super::request::LONGEST_REASON;
use super::routes::Endpoint;
use super::service::Service;

impl Service {
    /// Makes a correction. A browser goes back to where its form stood, and reads its result there.
    pub(super) async fn correct(&self, endpoint: Endpoint, asked: &Asked) -> Reply {
        let of_page = request::wants_page(&asked.headers);
        let back = request::field(&asked.body, "back").filter(|back| is_local(back));
        let back = back.unwrap_or_else(|| "/".to_owned());
        let (correction, reason) = match read(endpoint, asked) {
            Ok(read) => read,
            Err(reason) if of_page => return page::not_corrected(&reason, &back),
            Err(reason) => {
                return error(StatusCode::BAD_REQUEST, &reason, "The fields stand in /docs.");
            }
        };
        let action = Action::Correct { correction, by: asked.who.to_string(), reason };
        if !of_page {
            return self.act(action, asked).await;
        }
        self.log_change(asked, action.kind());
        match self.outcome(action).await {
            // The page shows the result beside its forms.
            Ok(_) => see_other(&back),
            Err(Refused { message, details }) => {
                page::not_corrected(format!("{message}. {details}").trim_end_matches([' ', '.']), &back)
            }
        }
    }
}

/// What a form asks for, and why.
fn read(endpoint: Endpoint, asked: &Asked) -> Result<(Correction, String), String> {
    let field = |name| request::field(&asked.body, name).map(|text| text.trim().to_owned());
    let reason = field("reason").filter(|reason| !reason.is_empty());
    let reason = reason.ok_or("A correction needs a reason.")?;
    if reason.chars().count() > LONGEST_REASON {
        return Err(format!("The reason has more than {LONGEST_REASON} characters."));
    }
    let day = || {
        let text = field("day").unwrap_or_default();
        request::date(&text)
            .ok_or_else(|| format!("“{}” is not a date. Write it like 2026-11-23.", short(&text)))
    };
    let time = || {
        let text = field("time").unwrap_or_default();
        time_of(&text)
            .ok_or_else(|| format!("“{}” is not a time. Write it like 08:05 or 08:05:30.", short(&text)))
    };
    let row = || asked.part.as_deref().and_then(row_id).ok_or("There is no such row.");
    let correction = match endpoint {
        Endpoint::AddRow => Correction::Add {
            roll: field("name").filter(|roll| !roll.is_empty()).ok_or("The roll number is missing.")?,
            status: match field("status").as_deref() {
                Some("IN") => RowStatus::In,
                Some("OUT") => RowStatus::Out,
                _ => return Err("The status is neither IN nor OUT.".to_owned()),
            },
            at: PrimitiveDateTime::new(day()?, time()?),
        },
        Endpoint::ChangeRow => Correction::Change { row: row()?, time: time()? },
        Endpoint::VoidRow => Correction::Void { row: row()? },
        _ => Correction::Place { row: row()?, day: day()? },
    };
    Ok((correction, reason))
}

/// `HH:MM` or `HH:MM:SS`, as browsers send a time.
fn time_of(text: &str) -> Option<Time> {
    Time::parse(text, format_description!("[hour]:[minute]:[second]"))
        .or_else(|_| Time::parse(text, format_description!("[hour]:[minute]")))
        .ok()
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Whether an address is one of this server, so that no form of ours leads to another one.
fn is_local(address: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && c != '\\';
    address.starts_with('/') && !address.starts_with("//") && address.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use time::macros::time;

    use super::*;

    #[test]
    fn times_are_read_as_browsers_send_them() {
        assert_eq!(time_of("08:05"), Some(time!(8:05)));
        assert_eq!(time_of("08:05:30"), Some(time!(8:05:30)));
        assert_eq!([time_of("8"), time_of("24:00"), time_of("")], [None; 3]);
    }

    #[test]
    fn a_form_leads_back_to_this_server_only() {
        assert!(is_local("/student/7?day=2026-11-23"));
        for other in ["", "//else.example", "https://else.example", "/\\else.example", "/a\r\nb"] {
            assert!(!is_local(other), "{other:?}");
        }
    }
}
