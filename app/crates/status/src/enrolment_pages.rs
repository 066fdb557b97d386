//! The office's addresses of an enrolment at the door.

use std::sync::Arc;

use http::StatusCode;
use maud::{Markup, html};

use super::asked::Asked;
use super::page;
use super::refusals::unexpected;
use super::reply::{Reply, error, of_type, see_other};
use super::request;
use super::routes::Endpoint;
use super::service::Service;
use access::audit::AUDIT;
use base::identity::RollNumber;
use view::{Done, Refused};

impl Service {
    /// `/enrol`: the sitting that is under way.
    pub(super) async fn enrol_page(&self, asked: &Asked) -> Reply {
        let Some(enrolment) = self.jobs.enrolment() else { return none_here() };
        match tokio::task::spawn_blocking(move || enrolment.sitting()).await {
            Ok(sitting) => page::enrolment::sitting(sitting.as_ref(), asked.csrf()),
            Err(_) => unexpected(),
        }
    }

    /// A picture of the sitting. It exists while it is looked at, and is kept by nobody before somebody
    /// confirms it.
    pub(super) fn enrol_picture(&self, asked: &Asked) -> Reply {
        let number = asked.part.as_deref().and_then(|part| part.parse().ok());
        match self.jobs.enrolment().zip(number).and_then(|(enrolment, number)| enrolment.picture(number)) {
            Some(jpeg) => of_type(StatusCode::OK, "image/jpeg", jpeg),
            None => error(StatusCode::NOT_FOUND, "There is no such picture.", "The sitting may be over."),
        }
    }

    /// Begins, confirms or ends a sitting, or deletes what one has kept.
    pub(super) async fn enrol(&self, asked: &Asked) -> Reply {
        let Some(enrolment) = self.jobs.enrolment() else { return none_here() };
        let field = |name| request::field(&asked.body, name).unwrap_or_default().trim().to_owned();
        let (change, roll, by) =
            (asked.part.clone().unwrap_or_default(), field("roll"), asked.who.to_string());
        let number = field("sitting").parse::<u64>().unwrap_or_default();
        // Whose pictures they are is said by the sitting, not by the form.
        let roll = match change.as_str() {
            "confirm" | "cancel" => {
                let enrolment = Arc::clone(&enrolment);
                let sitting = tokio::task::spawn_blocking(move || enrolment.sitting()).await.ok().flatten();
                match sitting.filter(|sitting| sitting.number == number) {
                    Some(sitting) => sitting.roll,
                    None => {
                        return page::enrolment::outcome(false, "The sitting is over", "Begin again.", &roll);
                    }
                }
            }
            _ if RollNumber::parse(&roll).is_err() => {
                return error(StatusCode::BAD_REQUEST, "This is not a roll number.", "Load the page again.");
            }
            _ => roll,
        };
        let source = Arc::clone(&self.source);
        if !["begin", "confirm", "cancel", "remove"].contains(&change.as_str()) {
            return error(StatusCode::NOT_FOUND, "There is no such change.", "Load the page again.");
        }
        log::info!(
            target: AUDIT, personal:% = roll;
            "{} at {} asked for: enrolment at the door, {change} {roll}", asked.who, asked.from
        );
        let (of, whose) = (change.clone(), roll.clone());
        let done = tokio::task::spawn_blocking(move || -> Result<Option<Done>, Refused> {
            match of.as_str() {
                "begin" if source.student(&whose).is_none() => Err(Refused {
                    message: "Nobody has this roll number".to_owned(),
                    details: "Put the student on the students’ list first".to_owned(),
                }),
                "begin" => enrolment.begin(&whose, &by).map(|()| None),
                "confirm" => enrolment.confirm(number, &by).map(Some),
                "remove" => enrolment.remove(&whose).map(Some),
                _ => {
                    enrolment.cancel(number);
                    Ok(None)
                }
            }
        });
        match (done.await, change.as_str()) {
            (Err(_), _) => unexpected(),
            (Ok(Err(refused)), _) => {
                page::enrolment::outcome(false, &refused.message, &refused.details, &roll)
            }
            (Ok(Ok(Some(done))), _) => page::enrolment::outcome(true, &done.message, "", &roll),
            (Ok(Ok(None)), _) => see_other("/enrol"),
        }
    }

    /// The part of a student's page about pictures taken at the door; empty where there is nothing to say.
    pub(super) fn pictures_of(&self, asked: &Asked, roll: &str) -> Markup {
        let enrolment = self.jobs.enrolment().filter(|_| self.may(asked, Endpoint::Enrol));
        match enrolment {
            Some(enrolment) => {
                let (kept, allowed) = (enrolment.kept(roll), enrolment.is_allowed());
                page::enrolment::of_student(roll, kept.as_ref(), allowed, asked.csrf())
            }
            None => html! {},
        }
    }
}

fn none_here() -> Reply {
    error(StatusCode::NOT_FOUND, "There is no enrolment at the door here.", "")
}
