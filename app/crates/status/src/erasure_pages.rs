//! Erasing a student, and lifting that: by the page and by scripts.

use http::StatusCode;
use http::header::{HeaderValue, LOCATION};

use super::actions::{acted, sentence};
use super::asked::Asked;
use super::page;
use super::reply::{Reply, error, json, see_other};
use super::request;
use super::request::wants_page;
use super::service::Service;
use base::identity::RollNumber;
use view::Action;

impl Service {
    /// `/students/{roll}/erase`: only where the roll number was typed again.
    pub(super) async fn erase_student(&self, asked: &Asked) -> Reply {
        let roll = asked.part.clone().unwrap_or_default();
        if RollNumber::parse(&roll).is_err() {
            return error(StatusCode::NOT_FOUND, "This is not a roll number.", "");
        }
        let typed = request::field(&asked.body, "confirm").unwrap_or_default();
        if typed.trim() != roll {
            if wants_page(&asked.headers)
                && let Ok(back) = HeaderValue::try_from(format!("/student/{roll}?erase=other#erase"))
            {
                let mut reply = see_other("/photos");
                reply.headers_mut().insert(LOCATION, back);
                return reply;
            }
            return error(
                StatusCode::BAD_REQUEST,
                "Nothing was erased: the field “confirm” does not hold the roll number of the address.",
                "Write the roll number there again.",
            );
        }
        let outcome = self.outcome(Action::EraseStudent { roll, by: asked.who.to_string() }).await;
        // Not whom: the log stays when everything else is gone.
        match &outcome {
            Ok(done) => self.log_change(asked, &format!("erasure {} of a student", done.output)),
            Err(refused) => {
                self.log_change(asked, &format!("erasing a student, in vain: {}", refused.message));
            }
        }
        if wants_page(&asked.headers) {
            return page::erased(&outcome);
        }
        match &outcome {
            Ok(_) => json(StatusCode::OK, &acted(&outcome)),
            Err(refused) => {
                error(StatusCode::INTERNAL_SERVER_ERROR, &sentence(&refused.message), &refused.details)
            }
        }
    }

    /// `/students/erasures/{id}/lift`.
    pub(super) async fn lift_erasure(&self, asked: &Asked) -> Reply {
        let id = asked.part.clone().unwrap_or_default();
        let is_number = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_number || !self.source.erasures().iter().any(|erasure| erasure.id == id && !erasure.lifted) {
            return error(
                StatusCode::NOT_FOUND,
                "There is no such erasure in force.",
                "Look at the list again.",
            );
        }
        self.log_change(asked, &format!("lifting erasure {id}"));
        let outcome = self.outcome(Action::LiftErasure(id)).await;
        if wants_page(&asked.headers) {
            return see_other("/photos");
        }
        match &outcome {
            Ok(_) => json(StatusCode::OK, &acted(&outcome)),
            Err(refused) => {
                error(StatusCode::INTERNAL_SERVER_ERROR, &sentence(&refused.message), &refused.details)
            }
        }
    }
}
