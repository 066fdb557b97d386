//! Which links are followed: those that lead below the configured base, and no others.
//!
//! A link is reduced to a [`Place`], the decoded path below the base, and every request is built from base
//! and place. So no link, however it is written, can send a request (and with it the credential) to another
//! host or above the base.
//!
//! Some file browsers are one script, which names the folder in a parameter (`?dir=2110001`). Such a link is
//! reduced to a place, too: the parameter's value is checked as a path is.

mod place;
mod script;

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use base::secret::SecretUrl;

pub use self::place::Place;
pub(super) use self::place::STUDENTS;
use self::place::is_dangerous;
use script::{FOLDER_PARAMETERS, is_script};

/// Longest link looked at. Path and query of what file browsers write stay far below; file systems take 255
/// bytes a name.
const MAX_LINK_BYTES: usize = 4096;

/// Most directories below each other.
pub const MAX_DEPTH: usize = 10;

/// The configured address of the photos: whatever is fetched lies below it.
#[derive(Clone)]
pub struct Base {
    url: Url,
    /// Decoded names of the folder below which everything lies.
    path: Vec<String>,
    slash: bool,
    /// The script that lists the folder, where the address names one.
    script: Option<String>,
    /// The parameter by which the address names the folder itself, and that folder.
    folder: Option<(String, Vec<String>)>,
    /// The port before a redirect to HTTPS, which links may still name.
    former_port: Option<u16>,
}

/// Why a link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read as a URL.
    #[error("not a readable link")]
    Malformed,
    /// `mailto:`, `javascript:`, `ftp:` ...
    #[error("neither http nor https")]
    Scheme,
    /// Another server.
    #[error("leads to another host")]
    OtherHost,
    /// The same host, and another port.
    #[error("leads to another port of the same host")]
    OtherPort,
    /// From HTTPS back to plain HTTP.
    #[error("leads to the same host without encryption")]
    Unencrypted,
    /// Above or beside the base, or the base itself.
    #[error("does not lead below the base")]
    OutsideBase,
    /// `..` in any disguise, a backslash or a control character.
    #[error("contains '..', a backslash or a control character")]
    Dangerous,
    /// The page itself, or a place within a page.
    #[error("leads to a place within a page")]
    Fragment,
    /// The same directory in another order.
    #[error("only sorts a directory")]
    Sort,
    /// More than [`MAX_DEPTH`] directories deep.
    #[error("lies more than {MAX_DEPTH} directories deep")]
    TooDeep,
}

impl Base {
    /// The base that the configuration names.
    pub fn new(url: &SecretUrl) -> Self {
        let mut url = url.expose().clone();
        url.set_fragment(None);
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let mut path: Vec<String> = url.path_segments().into_iter().flatten().map(decoded).collect();
        let mut slash = path.pop_if(|last| last.is_empty()).is_some();
        let script = path.pop_if(|last| !slash && is_script(last));
        slash |= script.is_some();
        let named = url.query_pairs().find(|(name, _)| FOLDER_PARAMETERS.contains(&&**name));
        let folder = named.map(|(name, value)| {
            let names = value.split('/').filter(|name| !name.is_empty() && *name != ".");
            (name.into_owned(), names.map(str::to_owned).collect())
        });
        Self { url, path, slash, script, folder, former_port: None }
    }

    /// The base itself, as it is configured.
    pub fn root(&self) -> Place {
        Place { segments: Vec::new(), slash: self.slash, asked: None }
    }

    /// The URL of `place`, credential included.
    pub fn url(&self, place: &Place) -> Url {
        let mut url = self.url.clone();
        // The base's script stands for the base alone, and a script that a link names for its own place.
        let script = match &place.asked {
            Some(asked) => asked.script.as_ref().or(self.script.as_ref()),
            None => self.script.as_ref().filter(|_| place.segments.is_empty()),
        };
        let below = if place.asked.is_some() { &[][..] } else { &place.segments[..] };
        // Only URLs without a host have no segments; `SecretUrl` accepts none of those.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            if self.script.is_some() {
                path.pop();
            }
            path.extend(below).extend(script);
            let slash = if place.asked.is_some() { self.slash } else { place.slash };
            if slash && script.is_none() {
                path.pop_if_empty().push("");
            }
        }
        if let Some(asked) = &place.asked {
            let is_asked = |name: &str| asked.parameters.iter().any(|(asked, _)| asked == name);
            if self.url.query_pairs().any(|(name, _)| is_asked(&name)) {
                let own: Vec<_> = self.url.query_pairs().filter(|(name, _)| !is_asked(name)).collect();
                url.query_pairs_mut().clear().extend_pairs(own);
            }
            url.query_pairs_mut().extend_pairs(&asked.parameters);
        }
        url
    }

    /// Where a link on the page `page` leads.
    ///
    /// # Errors
    /// [`Refused`], the first reason found.
    pub fn follow(&self, page: &Place, href: &str) -> Result<Place, Refused> {
        let href = href.trim_matches(|c: char| c.is_ascii_whitespace());
        let place = self.resolve(page, href);
        // A directory served without its slash: what is meant relative to it resolves beside it.
        if !page.slash && !place.as_ref().is_ok_and(|place| place.lies_below(page)) {
            let inside = page.clone().with_slash();
            let retried = self.resolve(&inside, href);
            if place.is_err() || retried.as_ref().is_ok_and(|place| place.lies_below(page)) {
                return retried;
            }
        }
        place
    }

    /// Whether a link on the page `page` leads to the folder above it.
    pub fn leads_to_parent(&self, page: &Place, href: &str) -> bool {
        if page.asked.is_some() {
            let above = &page.segments[..page.segments.len().saturating_sub(1)];
            let Ok(url) = self.url(page).join(href) else { return false };
            return match self.by_parameter(&url) {
                Some(up) => up.is_ok_and(|up| up.segments == above),
                None => above.is_empty() && self.is_same_server(&url) && self.is_base_itself(&url),
            };
        }
        let folder = self.url(&page.clone().with_slash());
        let link = folder.join(href.trim_matches(|c: char| c.is_ascii_whitespace()));
        let (Ok(link), Ok(parent)) = (link, folder.join("../")) else { return false };
        let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
        href.len() <= MAX_LINK_BYTES
            && self.is_same_server(&link)
            && link.fragment().is_none()
            && path(&link) == path(&parent)
    }

    /// The query of the base as it is written: the credential.
    pub(super) fn query(&self) -> Option<&str> {
        self.url.query()
    }

    /// Whether nothing lies above it on its server.
    pub fn is_servers_root(&self) -> bool {
        self.path.is_empty()
    }

    /// Where a redirect from `from` leads: the base itself is allowed, another scheme or port is not
    /// ([`Base::encrypted`] tells of the one exception).
    ///
    /// # Errors
    /// [`Refused`], the first reason found.
    pub fn redirect(&self, from: &Place, location: &str) -> Result<Place, Refused> {
        let url = self.join(from, location)?;
        if url.host() != self.url.host() {
            return Err(Refused::OtherHost);
        }
        if url.origin() != self.url.origin() {
            let is_downgrade = self.url.scheme() == "https" && url.scheme() == "http";
            return Err(if is_downgrade { Refused::Unencrypted } else { Refused::OtherPort });
        }
        self.by_parameter(&url).unwrap_or_else(|| self.below(&url))
    }

    /// The base over HTTPS, when a redirect leads from plain HTTP to HTTPS on the same host. The certificate
    /// must then be right for that host, so the credential goes to nobody else.
    pub fn encrypted(&self, from: &Place, location: &str) -> Option<Self> {
        let to = self.join(from, location).ok()?;
        if self.url.scheme() != "http" || to.scheme() != "https" || to.host() != self.url.host() {
            return None;
        }
        let mut url = self.url.clone();
        url.set_scheme("https").ok()?;
        url.set_port(to.port()).ok()?;
        Some(Self { url, former_port: self.url.port_or_known_default(), ..self.clone() })
    }

    fn resolve(&self, page: &Place, href: &str) -> Result<Place, Refused> {
        let url = self.join(page, href)?;
        if !self.is_same_server(&url) {
            return Err(Refused::OtherHost);
        }
        if url.fragment().is_some() {
            return Err(Refused::Fragment);
        }
        let place = self.by_parameter(&url).unwrap_or_else(|| self.below(&url))?;
        if place.segments.is_empty() {
            return Err(if url.query().is_some() { Refused::Sort } else { Refused::OutsideBase });
        }
        if place.segments == page.segments && place.asked == page.asked && url.query().is_some() {
            return Err(Refused::Sort);
        }
        if place.directory_count() > MAX_DEPTH {
            return Err(Refused::TooDeep);
        }
        // Another query is dropped: a version stamp, an order of the same folder, a parameter of the script's
        // own. The base's query is sent in any case.
        Ok(place)
    }

    /// The absolute URL of a link, or why it is not even to be looked at.
    fn join(&self, page: &Place, href: &str) -> Result<Url, Refused> {
        if href.len() > MAX_LINK_BYTES {
            return Err(Refused::Malformed);
        }
        if href.is_empty() || href.starts_with('#') {
            return Err(Refused::Fragment);
        }
        // Checked before the URL parser sees it: that turns `\` to `/`, drops tabs and resolves `..`.
        let path = href.split(['?', '#']).next().unwrap_or("");
        if path.split('/').any(is_dangerous) || href.chars().any(char::is_control) {
            return Err(Refused::Dangerous);
        }
        let url = self.url(page).join(href).map_err(|_| Refused::Malformed)?;
        if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(Refused::Scheme) }
    }

    /// Whether `url` names the base's server. A proxy that ends TLS lets its server write `http` where
    /// `https` is meant; the request goes to the base's own scheme and port anyway, so both spellings of the
    /// default ports are taken as one.
    fn is_same_server(&self, url: &Url) -> bool {
        url.host() == self.url.host()
            && (url.port_or_known_default() == self.url.port_or_known_default()
                || (self.former_port.is_some() && url.port_or_known_default() == self.former_port)
                || (url.port().is_none() && self.url.port().is_none()))
    }

    /// The place of an absolute URL's path.
    fn below(&self, url: &Url) -> Result<Place, Refused> {
        let mut segments: Vec<String> = Vec::new();
        for segment in url.path_segments().into_iter().flatten() {
            let name = percent_decode_str(segment).decode_utf8().map_err(|_| Refused::Malformed)?;
            segments.push(name.into_owned());
        }
        let slash = segments.pop_if(|last| last.is_empty()).is_some();
        if segments.len() < self.path.len() || segments[..self.path.len()] != self.path[..] {
            return Err(Refused::OutsideBase);
        }
        let segments = segments.split_off(self.path.len());
        if segments.iter().any(|name| name.is_empty() || is_dangerous(name)) {
            return Err(Refused::Dangerous);
        }
        Ok(Place { segments, slash, asked: None })
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base::secret::without_credentials(&self.url))
    }
}

#[cfg(test)]
mod tests;
