//! Which method answers which endpoint; health, days and diagnostics are answered here.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::actions::{address, row_id};
use super::asked::Asked;
use super::auth::Who;
use super::refusals::{busy, no_such_row, unexpected};
use super::reply::{Reply, download, empty, error, json, of_type};
use super::routes::{Access, Endpoint};
use super::service::Service;
use super::{api, diagnostics, events, metrics, openapi, page, request};
use access::audit::AUDIT;
use access::role::Role;
use view::{Action, verdict};

/// How old the answer of `/healthz` may be. No monitor asks more often, and the state costs files and locks.
const HEALTH_AGE: Duration = Duration::from_secs(1);

/// Lines of the log in `/logs/server`, as in the original.
const LOG_LINES: usize = 50;

/// Lines of the log in the diagnostics.
const DIAGNOSTICS_LOG_LINES: usize = 500;

impl Service {
    pub(super) async fn endpoint(&self, endpoint: Endpoint, asked: Asked) -> Reply {
        match endpoint {
            Endpoint::Health => self.health(&asked.who),
            Endpoint::LogInPage => page::log_in(StatusCode::OK, self.door.must_wait(asked.from), ""),
            Endpoint::LogIn => self.log_in(asked).await,
            Endpoint::LogOut => self.log_out(&asked),
            Endpoint::Root => self.root(&asked).await,
            Endpoint::Script => of_type(StatusCode::OK, "text/javascript; charset=utf-8", page::SCRIPT),
            Endpoint::Icon => {
                let (_, problems) = self.judged();
                of_type(StatusCode::OK, "image/svg+xml", page::icon(page::worst(&problems)))
            }
            Endpoint::Status => json(StatusCode::OK, &api::status(self.judged().0)),
            Endpoint::Today => {
                let today = self.source.view().today;
                json(StatusCode::OK, &api::Day::new(today.date, today.rows))
            }
            Endpoint::Day => self.day(asked.part.as_deref(), false).await,
            Endpoint::DayCsv => self.day(asked.part.as_deref(), true).await,
            Endpoint::SystemHealth => {
                let (view, problems) = self.judged();
                json(StatusCode::OK, &api::health(&view, verdict::healthy(&view), &problems))
            }
            Endpoint::Logs => {
                let lines = self.source.log(LOG_LINES);
                json(StatusCode::OK, &api::Logs { total: lines.len(), lines })
            }
            Endpoint::Roster => {
                let source = Arc::clone(&self.source);
                match tokio::task::spawn_blocking(move || source.roster()).await {
                    Ok(roster) => json(StatusCode::OK, &roster),
                    Err(_) => unexpected(),
                }
            }
            Endpoint::Metrics => {
                let (view, problems) = self.judged();
                let expires = self.identity.load().expires;
                let text = metrics::text(&view, &problems, verdict::healthy(&view), expires);
                of_type(StatusCode::OK, metrics::CONTENT_TYPE, text)
            }
            Endpoint::Events => {
                let streams = match asked.who {
                    Who::Person { .. } => &self.streams,
                    _ => &self.script_streams,
                };
                match Arc::clone(streams).try_acquire_owned() {
                    Ok(permit) => events::stream_events(
                        self.bus.subscribe(),
                        self.judge.clone(),
                        Arc::clone(&self.door),
                        asked.headers,
                        permit,
                    ),
                    Err(_) => busy(),
                }
            }
            Endpoint::Diagnostics => self.diagnostics(&asked).await,
            Endpoint::Docs => match &asked.who {
                Who::Person { csrf, .. } => page::docs(&openapi::document(), Some(csrf)),
                _ => page::docs(&openapi::document(), None),
            },
            Endpoint::OpenApi => json(StatusCode::OK, &openapi::document()),
            Endpoint::Sync => self.act(Action::Sync, &asked).await,
            Endpoint::ConfirmRemoval => self.act(Action::ConfirmRemoval, &asked).await,
            Endpoint::ConfirmTime => self.act(Action::ConfirmTime, &asked).await,
            Endpoint::Upload => self.act(Action::Upload, &asked).await,
            Endpoint::TestPhotos => self.act(Action::TestPhotos, &asked).await,
            Endpoint::TestWebhook => self.act(Action::TestWebhook, &asked).await,
            Endpoint::Restart => self.act(Action::RestartRecognition, &asked).await,
            Endpoint::Retry => match asked.part.as_deref().and_then(|row| self.refused_row(row)) {
                Some(row) => self.act(Action::RetryRow(row), &asked).await,
                None => no_such_row(),
            },
            Endpoint::RetryAll => self.act(Action::RetryAllRows, &asked).await,
            Endpoint::Dismiss => match asked.part.as_deref().and_then(|row| self.refused_row(row)) {
                Some(row) => self.act(Action::DismissRow(row), &asked).await,
                None => no_such_row(),
            },
            Endpoint::InstallUpdate => match address(&asked.body) {
                Ok(address) => self.act(Action::InstallFrom(address), &asked).await,
                Err(reason) => {
                    error(StatusCode::BAD_REQUEST, "This is not an address of an update.", &reason)
                }
            },
            Endpoint::TryUpdate => self.act(Action::TryUpdate, &asked).await,
            Endpoint::CheckUpdates => self.act(Action::CheckUpdates, &asked).await,
            Endpoint::GoBack => self.act(Action::GoBack, &asked).await,
            Endpoint::AcknowledgeUpdate => self.act(Action::AcknowledgeUpdate, &asked).await,
            Endpoint::CloseDay => self.act(Action::CloseDay, &asked).await,
            Endpoint::AddRow | Endpoint::ChangeRow | Endpoint::VoidRow | Endpoint::PlaceRow => {
                self.correct(endpoint, &asked).await
            }
            // Answered before its body was read.
            Endpoint::ReceiveUpdate | Endpoint::Import => unexpected(),
            Endpoint::ArchivePage => self.archive_page(&asked, page::Archived::Nothing).await,
            Endpoint::Licences => self.licences(&asked).await,
            Endpoint::FactoryReset => self.factory_reset(&asked).await,
            Endpoint::RecoveryKeyWritten => self.recovery_key_written(&asked).await,
            Endpoint::Export => self.export(&asked).await,
            Endpoint::Act => self.act_from_page(&asked).await,
            Endpoint::Preview => self.preview().await,
            Endpoint::Evidence => self.evidence(&asked).await,
            Endpoint::DoorPage => self.view_of(&asked, page::door).await,
            Endpoint::DevicePage => self.view_of(&asked, page::device).await,
            Endpoint::PhotosPage => self.photos_page(&asked).await,
            Endpoint::Range => self.range(&asked).await,
            Endpoint::Sheet => self.sheet(&asked).await,
            Endpoint::StudentPage => self.student(&asked).await,
            Endpoint::EnrolPage => self.enrol_page(&asked).await,
            Endpoint::EnrolPicture => self.enrol_picture(&asked),
            Endpoint::Enrol => self.enrol(&asked).await,
            Endpoint::TakeStudents => self.take_students(&asked).await,
            Endpoint::Erasures => json(StatusCode::OK, &api::Erasures { erasures: self.source.erasures() }),
            Endpoint::EraseStudent => self.erase_student(&asked).await,
            Endpoint::LiftErasure => self.lift_erasure(&asked).await,
            Endpoint::DoorPicture => self.door_picture().await,
            Endpoint::Accounts => self.accounts(&asked, page::Said::Nothing),
            Endpoint::ChangeAccounts => self.change_accounts(&asked).await,
            Endpoint::Settings
            | Endpoint::ReviewSettings
            | Endpoint::SaveSettings
            | Endpoint::PutBackSettings
            | Endpoint::KeepSettings => self.settings(endpoint, &asked).await,
        }
    }

    /// The id of a row that needs a person, as it stands in an address; none when there is no such row.
    fn refused_row(&self, text: &str) -> Option<String> {
        row_id(text).filter(|row| self.source.needs_person(row))
    }

    /// The status code of `/healthz`. Anybody may ask, as often as they like: the state is looked at once a
    /// second.
    fn healthy(&self) -> bool {
        let mut kept = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match *kept {
            Some((at, healthy)) if at.elapsed() < HEALTH_AGE => healthy,
            _ => {
                let healthy = verdict::healthy(&self.source.view());
                *kept = Some((Instant::now(), healthy));
                healthy
            }
        }
    }

    /// A status code for everybody; what is wrong is told to who may read.
    fn health(&self, who: &Who) -> Reply {
        let status = |healthy| if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if !who.may(Access::Read, Role::Viewer) {
            return empty(status(self.healthy()));
        }
        let (view, problems) = self.judged();
        let healthy = verdict::healthy(&view);
        json(status(healthy), &api::Problems { healthy, problems })
    }

    async fn diagnostics(&self, asked: &Asked) -> Reply {
        log::info!(target: AUDIT, "{} at {} took the diagnostics", asked.who, asked.from);
        let (view, problems) = self.judged();
        let source = Arc::clone(&self.source);
        let identity = self.identity.load_full();
        let made = tokio::task::spawn_blocking(move || {
            diagnostics::bundle(diagnostics::Parts {
                view,
                problems,
                roster: source.roster(),
                configuration: source.configuration(),
                log: source.redacted_log(DIAGNOSTICS_LOG_LINES),
                certificate: format!("{} until {}", identity.fingerprint, identity.expires),
            })
        });
        match made.await {
            Ok(Ok(bundle)) => download("application/gzip", "attendance-diagnostics.tar.gz", bundle),
            _ => unexpected(),
        }
    }

    pub(super) async fn day(&self, text: Option<&str>, as_csv: bool) -> Reply {
        let Some(day) = text.and_then(request::date) else {
            return error(
                StatusCode::NOT_FOUND,
                "This is not a day.",
                "Write it like /attendance/2025-01-15.",
            );
        };
        let source = Arc::clone(&self.source);
        let rows = match tokio::task::spawn_blocking(move || source.rows(day)).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(refused)) => {
                return error(StatusCode::INTERNAL_SERVER_ERROR, &refused.message, &refused.details);
            }
            Err(_) => return unexpected(),
        };
        if !as_csv {
            return json(StatusCode::OK, &api::Day::new(day.to_string(), rows));
        }
        match api::csv(&rows) {
            Ok(text) => download("text/csv; charset=utf-8", &format!("attendance_{day}.csv"), text),
            Err(_) => unexpected(),
        }
    }
}
