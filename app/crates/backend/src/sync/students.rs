//! The students' list `students.csv` beside the students' folders on the server. It is personal data like the
//! photos: it is fetched with them, and deleted when the server no longer has it.

use std::io::Write as _;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use super::download::blocking;
use super::error::Error;
use super::fetch::Site;
use super::link::{Place, STUDENTS};
use super::mirror::Mirror;
use super::state::{Validators, Verdict};
use base::erasure::Erased;
use office::students::without;
use sha2::{Digest as _, Sha256};

/// Largest list: what the office takes by upload, too.
const MAX_BYTES: u64 = 2 << 20;

/// Brings the list, if it is another one than at the last synchronisation; what names its version now.
///
/// # Errors
/// [`Error`] when it cannot be had, is too large, or cannot be written; the one that is here stays.
pub(super) async fn bring(
    site: &Site,
    mirror: &Arc<Mirror>,
    place: &Place,
    known: Option<&Validators>,
    erased: &Erased,
) -> Result<Option<Validators>, Error> {
    let known = known.filter(|_| mirror.holds(STUDENTS));
    let attempt = || async {
        let mut headers = HeaderMap::new();
        if let Some(known) = known {
            known.ask(&mut headers);
        }
        let (_, reply) = site.open(Method::GET, place, headers).await?;
        let current = Validators::of(&reply);
        match (reply.status, known) {
            (StatusCode::NOT_MODIFIED, Some(known)) if !known.is_contradicted_by(&current) => Ok(None),
            (StatusCode::OK, Some(known)) if known.compare(&current) == Verdict::Same => Ok(None),
            (StatusCode::OK, _) => {
                let (validators, _) = Validators::to_keep(&reply);
                Ok(Some((validators, reply.read(MAX_BYTES).await?.body)))
            }
            _ => Err(reply.unwanted().into()),
        }
    };
    let Some((validators, content)) = site.retry().run(attempt, Error::is_transient).await? else {
        return Ok(known.cloned());
    };
    let left = without(&content, |roll| erased.holds(roll));
    // With lines left out it is asked for in full each time: an erasure may be lifted.
    let validators = left.is_none().then_some(validators);
    let is_whole = validators.is_some();
    let content = left.map_or(content, bytes::Bytes::from);
    let mirror = Arc::clone(mirror);
    blocking(move || {
        let sum = base::hexadecimal::hexadecimal(&Sha256::digest(&content));
        if mirror.holds(STUDENTS) && mirror.sha256(STUDENTS).is_ok_and(|present| present == sum) {
            return Ok(());
        }
        mirror.check_room(STUDENTS, content.len() as u64)?;
        let (part, mut file) = mirror.begin(STUDENTS)?;
        file.write_all(&content).map_err(|error| mirror.failed("write", STUDENTS, error))?;
        mirror.keep(part, &file, STUDENTS)
    })
    .await?;
    if is_whole {
        log::info!("The students' list of the photo server is here");
    }
    Ok(validators)
}
