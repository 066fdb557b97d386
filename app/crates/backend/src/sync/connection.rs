//! Does the photo server answer, and does it take the key? One page is read, and nothing is written.

use super::crawl::read_page;
use super::error::Error;
use super::fetch::Site;
use super::link::Base;
use super::settings::{Patience, Settings};
use crate::http::{Client, Error as HttpError};
use base::failure::{Diagnosis as _, Fault};
use vision::kind::is_photo;

/// Asks the photo server for its first page; what it answered, in one sentence.
///
/// # Errors
/// [`Fault`]: no answer, a refused key, or a page that is not a listing.
pub async fn check(settings: &Settings) -> Result<String, Fault> {
    let Some(url) = &settings.photos.url else {
        return Err(Error::NoUrl.fault());
    };
    let patience = Patience::default();
    let client = Client::new(&settings.tls, patience.timeouts).map_err(|error| Error::from(error).fault())?;
    let site = Site::new(client, Base::new(url), patience.retry);
    let mut first = read_page(&site, site.base().root()).await;
    if matches!(&first.1, Err(Error::Http(HttpError::Status { status, .. })) if status.as_u16() == 404)
        && !first.0.ends_in_slash()
    {
        // Django's static view knows the base with its slash only.
        first = read_page(&site, first.0.with_slash()).await;
    }
    let links = first.1.map_err(|error| error.fault())?.links;
    let folders = links.iter().filter(|link| link.is_directory()).count();
    let photos = links.iter().filter(|link| !link.is_directory() && is_photo(link.name())).count();
    if folders + photos == 0 {
        return Err(Error::Empty { kept: 0, no_rolls: Vec::new(), left_out: Vec::new() }.fault());
    }
    Ok(format!("{url} answers and takes the key; its first page names {folders} folders and {photos} photos"))
}
