//! The pages that only a technician opens: settings and accounts.

use std::sync::Arc;

use http::StatusCode;

use super::actions::sentence;
use super::asked::Asked;
use super::auth::Who;
use super::page;
use super::refusals::unexpected;
use super::reply::{Reply, error};
use super::request;
use super::routes::Endpoint;
use super::service::Service;
use access::account::AccountError;
use access::audit::AUDIT;
use access::role::Role;
use view::settings::Review;

impl Service {
    /// The pages of the settings. What is answered holds no secret.
    pub(super) async fn settings(&self, endpoint: Endpoint, asked: &Asked) -> Reply {
        let Who::Person { csrf, .. } = &asked.who else {
            return error(StatusCode::FORBIDDEN, "The settings are for a log-in on the page.", "");
        };
        let Some(settings) = self.jobs.settings() else {
            return error(StatusCode::NOT_FOUND, "There are no settings to show here.", "");
        };
        let who = format!("{} at {}", asked.who, asked.from);
        let field = |name| request::field(&asked.body, name).unwrap_or_default();
        let waiting = match endpoint {
            Endpoint::SaveSettings => settings.save(&field("draft"), &who),
            Endpoint::PutBackSettings => match field("version").parse() {
                Ok(version) => settings.put_back(version, &who),
                Err(_) => return error(StatusCode::BAD_REQUEST, "There is no such version.", ""),
            },
            Endpoint::KeepSettings => settings.keep(),
            _ => {
                let form = request::fields(&asked.body);
                let asks = endpoint == Endpoint::ReviewSettings;
                let shown = tokio::task::spawn_blocking(move || {
                    let review = asks.then(|| settings.review(&form));
                    (review, settings.sheet(), form)
                });
                let Ok((review, sheet, form)) = shown.await else { return unexpected() };
                return match review {
                    Some(Review::Changes { draft, changes, confirm }) => {
                        page::settings::review(&draft, &changes, confirm, csrf)
                    }
                    Some(Review::Wrong(faults)) => page::settings::form(&sheet, csrf, &form, &faults, ""),
                    Some(Review::Unchanged) => {
                        page::settings::form(&sheet, csrf, &[], &[], "Nothing is different.")
                    }
                    None => page::settings::form(&sheet, csrf, &[], &[], ""),
                };
            }
        };
        log::info!(target: AUDIT, "{who} asked for a change of the settings ({endpoint:?})");
        match waiting.await {
            Ok(done) => page::settings::outcome(true, &done.message, &done.output, csrf),
            Err(refused) => page::settings::outcome(false, &refused.message, &refused.details, csrf),
        }
    }

    /// The page of accounts.
    pub(super) fn accounts(&self, asked: &Asked, said: page::Said) -> Reply {
        page::accounts(&self.door.accounts().all(), &said, asked.csrf())
    }

    /// Adds or removes an account, or gives it another password.
    pub(super) async fn change_accounts(&self, asked: &Asked) -> Reply {
        let field = |name| request::field(&asked.body, name).unwrap_or_default().trim().to_owned();
        let (name, change) = (field("name"), asked.part.clone().unwrap_or_default());
        let role = match (change.as_str(), field("role").parse::<Role>()) {
            ("add", Err(error)) => {
                return self.accounts(asked, page::Said::Refused(sentence(&error.to_string())));
            }
            (_, role) => role.unwrap_or(Role::Viewer),
        };
        let (accounts, account, of) = (Arc::clone(self.door.accounts()), name.clone(), change.clone());
        let changed = tokio::task::spawn_blocking(move || -> Result<_, AccountError> {
            let file = accounts.file();
            Ok(match of.as_str() {
                "add" => Some(Some(file.add(&account, role)?)),
                "password" => Some(Some(file.new_password(&account)?)),
                "remove" => file.remove(&account).map(|()| Some(None))?,
                _ => None,
            })
        });
        let said = match changed.await {
            Err(_) => return unexpected(),
            Ok(Ok(None)) => return error(StatusCode::NOT_FOUND, "There is no such change of accounts.", ""),
            Ok(Err(error)) => page::Said::Refused(sentence(&error.to_string())),
            Ok(Ok(Some(password))) => {
                let with = if change == "add" { format!(", role {role}") } else { String::new() };
                log::info!(target: AUDIT, "{} at {}: account {change} {name}{with}", asked.who, asked.from);
                match password {
                    Some(password) => page::Said::Password { account: name, password },
                    None => {
                        page::Said::Done(format!("The account {name} is removed. Its log-ins have ended."))
                    }
                }
            }
        };
        self.accounts(asked, said)
    }
}
