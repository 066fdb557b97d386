//! One synchronisation from beginning to end.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::crawl;
use super::download::blocking;
use super::error::Error;
use super::fetch::Site;
use super::link::Base;
use super::mirror::{Mirror, STATE};
use super::names;
use super::report::Report;
use super::settings::{Patience, Settings};
use super::state::State;
use super::step::Step;
use super::work::Work;
use crate::http::Client;

/// Synchronises once, with the contract's patience. `step` hears of the progress.
///
/// # Errors
/// As [`once_with`].
pub async fn once(settings: &Settings, step: &(dyn Fn(Step<'_>) + Sync)) -> Result<Report, Error> {
    once_with(settings, Patience::default(), step).await
}

/// Synchronises once.
///
/// Dropped before its end, it leaves every photo whole, and the next synchronisation goes on.
///
/// # Errors
/// [`Error`] when nothing could be done: no server, a refused key, a listing beyond the bounds, a folder that
/// cannot be written. What happens later is in the [`Report`].
pub async fn once_with(
    settings: &Settings,
    patience: Patience,
    step: &(dyn Fn(Step<'_>) + Sync),
) -> Result<Report, Error> {
    let url = settings.photos.url.as_ref().ok_or(Error::NoUrl)?;
    let client = Client::new(&settings.tls, patience.timeouts)?;
    let site = Site::new(client, Base::new(url), patience.retry);
    let data_dir = settings.data_dir.clone();
    let (mirror, state, local) = blocking(move || {
        let mirror = Mirror::open(&data_dir)?;
        let state: State = mirror.read(STATE).unwrap_or_default();
        let local = mirror.photos()?;
        Ok((Arc::new(mirror), state, local))
    })
    .await?;

    let mut listing = crawl::list(&site, &settings.photos, &settings.erased, step).await?;
    if listing.photos.is_empty() && listing.failures.is_empty() && !listing.passed_over {
        // It says nothing, neither for nor against a removal that waits.
        let no_rolls = std::mem::take(&mut listing.no_rolls).into_iter().collect();
        return Err(Error::Empty { kept: local.len(), no_rolls, left_out: listing.take_left_out() });
    }
    let left_out = listing.take_left_out();
    let is_incomplete = listing.is_incomplete;
    let students = listing.students.take();
    let mut report = Report { failed: listing.failures, left_out, ..Report::default() };
    let (named, unsafe_names) = names::assign(listing.photos);
    let kept: BTreeSet<String> = listing.unread.iter().map(ToString::to_string).collect();
    let mut lacking: BTreeSet<String> = listing.lacking.iter().map(ToString::to_string).collect();
    for photo in unsafe_names {
        report.fail(photo.place, names::UNSAFE_NAME);
        lacking.insert(photo.roll.to_string());
    }
    step(Step::Photos { total: named.len() });

    let served = BTreeSet::new();
    let mut work = Work { mirror, state, report, kept, lacking, served, gave_up: false };
    let local = work.rename(&named, local).await?;
    work.download(&site, settings, &named, &local, step).await;
    // A server that is not well, or a group that cannot be read, does not tell what is gone, neither now nor
    // for a removal that waits.
    if !work.gave_up && !is_incomplete && work.report.fault().is_none() {
        work.remove(settings, &named, &local, step).await;
    }
    if !work.gave_up && work.report.stopped.is_none() {
        work.bring_students(&site, students.as_ref(), &settings.erased, is_incomplete).await;
    }
    work.report.alarm = work.state.pending.as_ref().map(|pending| pending.alarm(&settings.photos));
    work.finish(url.to_string(), &settings.zone).await
}
