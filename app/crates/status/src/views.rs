//! Log-in, the views of the page, and its pictures.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderValue, SET_COOKIE};
use office::students::MOST_BYTES;

use super::asked::Asked;
use super::auth::{LogIn, Who};
use super::refusals::{busy, log_in_later, unexpected};
use super::reply::{Reply, error, json, of_type, see_other};
use super::request::{SESSION_COOKIE, same_origin, wants_page};
use super::service::Service;
use super::{api, page, request};
use access::account::TECHNICIAN;

/// Lines of the log on the page.
const PAGE_LOG_LINES: usize = 60;

/// How long a preview waits for the camera's next frame.
const PREVIEW_WAIT: Duration = Duration::from_secs(3);

/// How long one waits for its turn: a few photos opened together.
pub(super) const DETECTION_WAIT: Duration = Duration::from_secs(30);

/// Said of a password that was compared, and of one that was not.
const WRONG: &str = "That is not the password of this account.";

const NOT_COMPARED: &str = "Too many failed attempts: this password was not checked.";

fn set_cookie(reply: &mut Reply, value: &str, more: &str) {
    let cookie = format!("{SESSION_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{more}");
    reply.headers_mut().extend(HeaderValue::try_from(cookie).ok().map(|cookie| (SET_COOKIE, cookie)));
}

impl Service {
    pub(super) async fn log_in(&self, asked: Asked) -> Reply {
        if !same_origin(&asked.headers) {
            return error(StatusCode::FORBIDDEN, "This did not come from the log-in page.", "");
        }
        let attempt = request::field(&asked.body, "password").unwrap_or_default();
        let account = request::field(&asked.body, "account").map(|account| account.trim().to_owned());
        let account = account.filter(|account| !account.is_empty());
        let account = account.unwrap_or_else(|| TECHNICIAN.to_owned());
        match self.door.log_in(account, attempt, asked.from).await {
            LogIn::Opened(cookie) => {
                let mut reply = see_other("/");
                set_cookie(&mut reply, &cookie, "");
                reply
            }
            LogIn::Wrong(None) => page::log_in(StatusCode::UNAUTHORIZED, None, WRONG),
            LogIn::Wrong(Some(wait)) => log_in_later(wait, WRONG),
            LogIn::MustWait(wait) => log_in_later(wait, NOT_COMPARED),
        }
    }

    pub(super) fn log_out(&self, asked: &Asked) -> Reply {
        if let Who::Person { cookie, .. } = &asked.who {
            self.door.log_out(&asked.who, cookie, asked.from);
        }
        let mut reply = see_other("/login");
        set_cookie(&mut reply, "", "; Max-Age=0");
        reply
    }

    pub(super) async fn root(&self, asked: &Asked) -> Reply {
        if !matches!(asked.who, Who::Person { .. }) || !wants_page(&asked.headers) {
            let (view, problems) = self.judged();
            return json(StatusCode::OK, &api::root(view, problems));
        }
        self.view_of(asked, page::home).await
    }

    /// A view of the page.
    pub(super) async fn view_of(&self, asked: &Asked, show: impl FnOnce(&page::Home<'_>) -> Reply) -> Reply {
        let (view, problems) = self.judged();
        let shown = self.shown(&asked.query, &view.today.date).await;
        show(&page::Home {
            view: &view,
            problems: &problems,
            identity: &self.identity.load(),
            log: &self.source.log(PAGE_LOG_LINES),
            jobs: &self.jobs,
            history: &self.history.samples(),
            bundle_bytes: self.limits.bundle_bytes,
            csrf: asked.csrf(),
            may: page::May { who: &asked.who, rights: self.rights },
            shown,
        })
    }

    /// The photos' problems and the students' list.
    pub(super) async fn photos_page(&self, asked: &Asked) -> Reply {
        let source = Arc::clone(&self.source);
        let read = tokio::task::spawn_blocking(move || {
            (source.roster().refused, source.students(), source.erasures())
        });
        let Ok((refused, list, erasures)) = read.await else { return unexpected() };
        self.view_of(asked, |home| page::photos(home, &refused, &list, MOST_BYTES, &erasures)).await
    }

    /// Which day the page's address asks for, and what is known of it.
    async fn shown(&self, query: &str, today: &str) -> page::Shown {
        let mut shown = page::Shown { filter: page::Filter::of(query), ..page::Shown::default() };
        let Some(today) = request::date(today) else { return shown };
        let asked = request::field(query.as_bytes(), "day").filter(|day| !day.is_empty());
        let day = match asked.as_deref().map(|text| request::date(text).ok_or(text)) {
            None => today,
            Some(Ok(day)) => day,
            Some(Err(text)) => {
                shown.no_day = Some(text.chars().take(40).collect());
                return shown;
            }
        };
        if day != today {
            let source = Arc::clone(&self.source);
            let rows = tokio::task::spawn_blocking(move || source.rows(day)).await;
            shown.filter.day = Some(day.to_string());
            shown.rows = Some(match rows {
                Ok(rows) => rows.map_err(|refused| refused.message),
                Err(_) => Err("The day’s rows cannot be read; the log says more.".to_owned()),
            });
        }
        let states = self.states(day, day).await;
        shown.states = Some(
            states.and_then(|mut days| days.pop().ok_or_else(|| "Nothing is known of this day.".to_owned())),
        );
        shown
    }

    pub(super) async fn preview(&self) -> Reply {
        let Ok(_place) = self.pictures.try_acquire() else { return busy() };
        match tokio::time::timeout(PREVIEW_WAIT, self.source.preview()).await {
            Ok(Ok(picture)) => page::picture(&picture),
            Ok(Err(refused)) => error(StatusCode::SERVICE_UNAVAILABLE, &refused.message, &refused.details),
            Err(_) => error(StatusCode::SERVICE_UNAVAILABLE, "The camera gives no picture.", ""),
        }
    }

    /// What stands on the screen at the door.
    pub(super) async fn door_picture(&self) -> Reply {
        let Ok(_place) = self.pictures.try_acquire() else { return busy() };
        let source = Arc::clone(&self.source);
        match tokio::task::spawn_blocking(move || source.door()).await {
            Ok(Some(jpeg)) => of_type(StatusCode::OK, "image/jpeg", jpeg),
            Ok(None) => error(StatusCode::SERVICE_UNAVAILABLE, "There is no picture yet; it comes soon.", ""),
            Err(_) => unexpected(),
        }
    }

    pub(super) async fn evidence(&self, asked: &Asked) -> Reply {
        let Ok(Ok(_turn)) = tokio::time::timeout(DETECTION_WAIT, self.detecting.acquire()).await else {
            return busy();
        };
        // Only a photo that is on the list of refused ones: a path from outside never reaches a file system.
        let photo = request::field(asked.query.as_bytes(), "photo").filter(|photo| {
            let refused = self.source.view().roster.refused;
            refused.iter().any(|refused| refused.picture && refused.photo == *photo)
        });
        let Some(photo) = photo else {
            return error(StatusCode::NOT_FOUND, "There is no refused photo of this name.", "");
        };
        let source = Arc::clone(&self.source);
        match tokio::task::spawn_blocking(move || source.evidence(&photo)).await {
            Ok(Some(picture)) => page::picture(&picture),
            Ok(None) => error(StatusCode::NOT_FOUND, "The photo cannot be shown: it cannot be decoded.", ""),
            Err(_) => unexpected(),
        }
    }
}
