//! Students and their photos: the mirror, the roster, the list, and what is known of one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use time::OffsetDateTime;

use super::Technician;
use crate::appliance::latest::Decided;
use crate::appliance::refused_photos::refused_photos;
use crate::appliance::students::From;
use base::identity::RollNumber;
use recognition::roster::places::{Places, below_the_door};
use recognition::roster::{PhotoOutcome, Report};
use view::{AboutStudent, PhotoSync, RefusedPhoto, Removal, Roster, Student, StudentsList};

fn students(report: &Report) -> Vec<Student> {
    let mut students: Vec<Student> = Vec::new();
    let mut enrolled: Vec<_> =
        report.photos.iter().filter(|photo| matches!(photo.outcome, PhotoOutcome::Enrolled { .. })).collect();
    enrolled.sort_by(|a, b| a.roll.cmp(&b.roll));
    for photo in enrolled {
        match students.last_mut().filter(|student| student.name == photo.roll.as_str()) {
            Some(student) => student.photos.push(photo.photo.clone()),
            None => {
                students.push(Student { name: photo.roll.to_string(), photos: vec![photo.photo.clone()] })
            }
        }
    }
    students
}

/// A photo as its student's page names it.
fn named(photo: &str) -> String {
    match below_the_door(photo).and_then(|rest| rest.rsplit_once('/')) {
        Some((_, file)) => format!("taken at the door, {file}"),
        None => photo.to_owned(),
    }
}

impl Technician {
    /// Everyone who has a photo.
    pub(super) fn everyone(&self) -> Roster {
        let report = self.report.load();
        Roster { students: students(&report), refused: self.refused_photos(&report) }
    }

    pub(super) fn sync(&self) -> PhotoSync {
        let latest = self.memory.latest();
        let places = Places::of(&self.config.roster());
        // Somebody has accepted these.
        let known = self.office.missing.load();
        let known =
            known.iter().filter(|one| self.office.known_photos.by(&one.photo, &one.reason).is_some()).count();
        PhotoSync {
            source: match &self.config.photos.url {
                Some(url) => url.to_string(),
                None => places.photos.display().to_string(),
            },
            interval_s: self.config.photos.interval.as_secs(),
            last_success: latest.synced.as_ref().map(|synced| self.local(synced.at.utc)),
            listed: latest.synced.as_ref().map(|synced| synced.listed),
            failed: latest.synced.as_ref().map_or(0, |synced| synced.failed.saturating_sub(known)),
            summary: latest.synced.map(|synced| synced.summary),
            error: latest.sync_error,
            progress: self.progress(),
            removal: latest.removal.map(|(students, of)| Removal { students, of }),
        }
    }

    pub(super) fn progress(&self) -> Option<view::Progress> {
        let shown = |step: &str, (done, total)| view::Progress { step: step.to_owned(), done, total };
        let fetching = self.syncing.under_way().map(|so_far| shown("fetching photos", so_far));
        fetching.or_else(|| self.enrolling.under_way().map(|so_far| shown("enrolling", so_far)))
    }

    /// Every photo that is not in use, and who accepted that.
    pub(super) fn refused_photos(&self, report: &Report) -> Vec<RefusedPhoto> {
        let mut photos = refused_photos(report, &self.missing.load());
        for photo in &mut photos {
            photo.accepted_by = self.office.known_photos.by(&photo.photo, &photo.reason);
        }
        photos
    }

    /// Students that cannot be recognised, but for those of whom somebody accepted that.
    pub(super) fn unrecognisable(&self, report: &Report) -> usize {
        let mut accepted: BTreeMap<&RollNumber, bool> = BTreeMap::new();
        for (photo, reason) in report.refused() {
            let is_accepted = self.office.known_photos.by(&photo.photo, reason).is_some();
            *accepted.entry(&photo.roll).or_insert(true) &= is_accepted;
        }
        let named = report.students();
        let without = named.iter().filter(|(_, enrolled)| !**enrolled);
        without.filter(|(roll, _)| !accepted.get(*roll).copied().unwrap_or(false)).count()
    }

    pub(super) fn photo(&self, path: &str) -> Option<PathBuf> {
        // Only what the report names is opened: a path from outside leads nowhere else.
        let report = self.report.load();
        let known = report.photos.iter().find(|photo| photo.photo == path)?;
        Some(Places::of(&self.config.roster()).file(&known.photo))
    }

    /// The students’ list in use, in numbers.
    pub(super) fn list(&self) -> StudentsList {
        let (list, from, problem) = self.office.students.list();
        StudentsList {
            uploaded: matches!(from, Some(From::Upload { .. })),
            from: from.map(|from| match from {
                From::Upload { by } => format!("uploaded by {by}"),
                From::Photos => "students.csv beside the photos".to_owned(),
            }),
            students: list.students.len(),
            left_out: list.left_out,
            problem,
        }
    }

    /// What is known of a student beside their days.
    pub(super) fn about(&self, roll: &str) -> Option<AboutStudent> {
        let roll = RollNumber::parse(roll).ok()?;
        let report = self.report.load();
        let listed = self.office.students.list().0.students.remove(&roll);
        let photos = report.photos.iter().filter(|photo| photo.roll == roll);
        let photos: Vec<(String, String)> = photos
            .filter_map(|photo| match &photo.outcome {
                PhotoOutcome::Enrolled { quality, .. } => {
                    let (sharp, bright) = (quality.sharpness, quality.brightness);
                    let words = format!(
                        "face {:.0} pixels wide, sharpness {sharp:.0}, brightness {bright:.0} of 255, turned {:.0}°",
                        quality.width,
                        quality.yaw.abs()
                    );
                    Some((named(&photo.photo), words))
                }
                PhotoOutcome::Refused { .. } => None,
            })
            .collect();
        let below = format!("{roll}/");
        let mut refused = self.refused_photos(&report);
        refused.retain(|photo| photo.photo.starts_with(&below) || photo.photo.contains(&format!("/{below}")));
        let mut decisions: Vec<_> = self.memory.latest().decisions.into();
        decisions.retain(|decided: &Decided| decided.student.as_ref() == Some(&roll));
        let decisions = decisions.into_iter().map(|decided| self.decision(decided)).collect();
        let today = self.ledger.day().date(self.clock.now().utc);
        let was_seen = || self.day(today, today).is_some_and(|rows| rows.iter().any(|row| row.roll == roll));
        if listed.is_none() && photos.is_empty() && refused.is_empty() && !was_seen() {
            return None;
        }
        let (name, class) = listed.map(|student| (student.name, student.class)).unwrap_or_default();
        let undelivered = self.undelivered(&roll);
        Some(AboutStudent { name, class, photos, refused, decisions, undelivered })
    }

    /// Who was erased: not whom, but that somebody was.
    pub(super) fn erased(&self) -> Vec<view::Erasure> {
        let shown = |erasure: site::erasure::Erasure| view::Erasure {
            id: erasure.id.to_string(),
            at: OffsetDateTime::from_unix_timestamp(erasure.at)
                .map_or_else(|_| String::new(), |at| self.local(at)),
            by: erasure.by,
            done: erasure.done,
            lifted: erasure.lifted,
        };
        self.erasing.erasures.list().into_iter().map(shown).collect()
    }
}
