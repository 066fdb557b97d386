//! Photos that are not in use, for the page and for what the office accepts.

use backend::sync;
use recognition::roster::Report;
use recognition::roster::layout::Folders;
use view::RefusedPhoto;

/// Every photo that is not in use, and why: not fetched, not enrolled, doubtful, or in no place for a photo.
pub(super) fn refused_photos(report: &Report, missing: &[sync::Failure]) -> Vec<RefusedPhoto> {
    let remark = |photo: &str, reason: String| RefusedPhoto {
        photo: photo.to_owned(),
        reason,
        picture: false,
        accepted_by: None,
    };
    let missing = missing.iter().map(|failure| remark(&failure.photo, failure.reason.clone()));
    let photos = report.refused().map(|(photo, reason)| RefusedPhoto {
        photo: photo.photo.clone(),
        reason: reason.to_owned(),
        picture: true,
        accepted_by: None,
    });
    let alike = report.alike.iter().map(|pair| {
        let reason =
            format!("look like one person (similarity {:.2}); check whose photos these are", pair.similarity);
        remark(&format!("{}, {}", pair.one, pair.other), reason)
    });
    let ignored = report.ignored.iter().map(|ignored| remark(&ignored.path, ignored.reason.clone()));
    let folders = not_used(report).map(|folders| remark(&folders.folder, folders.fault().to_string()));
    folders.chain(missing).chain(photos).chain(alike).chain(ignored).collect()
}

/// First-level folders from which nobody is enrolled, because they hold the folders of several people.
pub(super) fn not_used(report: &Report) -> impl Iterator<Item = &Folders> {
    report.folders.iter().filter(|folders| !folders.is_used())
}
