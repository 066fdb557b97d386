//! Which links are followed: those that lead below the configured base, and no others.
//!
//! A link is reduced to a [`Place`], the decoded path below the base, and every request is built from base
//! and place. So no link, however it is written, can send a request (and with it the credential) to another
//! host or above the base.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use base::secret::SecretUrl;

/// Longest link looked at. Path and query of what file browsers write stay far below; file systems take 255
/// bytes a name.
const MAX_LINK_BYTES: usize = 4096;

/// Rounds of percent-decoding within which a dangerous name must show itself. A proxy and a server decode
/// once each.
const DECODING_ROUNDS: usize = 4;

/// Most directories below each other.
pub const MAX_DEPTH: usize = 10;

/// The configured address of the photos: whatever is fetched lies below it.
#[derive(Clone)]
pub struct Base {
    url: Url,
    path: Vec<String>,
    slash: bool,
}

/// A page or file below the base.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Decoded names from the base down; empty for the base itself. None is `.`, `..` or empty, or holds `/`,
    /// `\` or a control character.
    segments: Vec<String>,
    /// Whether the address ends in a slash.
    slash: bool,
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
        let slash = path.pop_if(|last| last.is_empty()).is_some();
        Self { url, path, slash }
    }

    /// The base itself, as it is configured.
    pub fn root(&self) -> Place {
        Place { segments: Vec::new(), slash: self.slash }
    }

    /// The URL of `place`, credential included.
    pub fn url(&self, place: &Place) -> Url {
        let mut url = self.url.clone();
        // Only URLs without a host have no segments; `SecretUrl` accepts none of those.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&place.segments);
            if place.slash {
                path.pop_if_empty().push("");
            }
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
        let folder = self.url(&page.clone().with_slash());
        let link = folder.join(href.trim_matches(|c: char| c.is_ascii_whitespace()));
        let (Ok(link), Ok(parent)) = (link, folder.join("../")) else { return false };
        let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
        href.len() <= MAX_LINK_BYTES
            && self.is_same_server(&link)
            && link.fragment().is_none()
            && path(&link) == path(&parent)
    }

    /// Whether nothing lies above it on its server.
    pub fn is_servers_root(&self) -> bool {
        self.path.is_empty()
    }

    /// Where a redirect from `from` leads: the base itself is allowed, another scheme or port is not.
    ///
    /// # Errors
    /// [`Refused`], the first reason found.
    pub fn redirect(&self, from: &Place, location: &str) -> Result<Place, Refused> {
        let url = self.join(from, location)?;
        if url.origin() != self.url.origin() {
            return Err(Refused::OtherHost);
        }
        self.below(&url)
    }

    fn resolve(&self, page: &Place, href: &str) -> Result<Place, Refused> {
        let url = self.join(page, href)?;
        if !self.is_same_server(&url) {
            return Err(Refused::OtherHost);
        }
        if url.fragment().is_some() {
            return Err(Refused::Fragment);
        }
        let place = self.below(&url)?;
        if place.segments.is_empty() {
            return Err(if url.query().is_some() { Refused::Sort } else { Refused::OutsideBase });
        }
        if place.directory_count() > MAX_DEPTH {
            return Err(Refused::TooDeep);
        }
        // A file's query is dropped (a version stamp); a directory's names another view of it, unless it is
        // the credential.
        if place.is_directory() && url.query().is_some() && !same_query(&url, &self.url) {
            return Err(Refused::Sort);
        }
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
        Ok(Place { segments, slash })
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base::secret::without_credentials(&self.url))
    }
}

impl Place {
    /// Decoded names from the base down.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The last name, which is a file's.
    pub fn name(&self) -> &str {
        self.segments.last().map_or("", String::as_str)
    }

    /// A directory ends in `/` or has no dot in its last segment.
    pub fn is_directory(&self) -> bool {
        self.slash || !self.name().contains('.')
    }

    /// Whether the address ends in a slash.
    pub fn ends_in_slash(&self) -> bool {
        self.slash
    }

    /// The same place, its address ending in a slash.
    #[must_use]
    pub fn with_slash(mut self) -> Self {
        self.slash = true;
        self
    }

    /// The names of the directories on the way, this place included when it is one.
    pub fn directories(&self) -> &[String] {
        &self.segments[..self.directory_count()]
    }

    /// Whether both name the same folder: with or without a slash, in capital or small letters.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self
                .segments
                .iter()
                .zip(&other.segments)
                .all(|(one, other)| one.to_lowercase() == other.to_lowercase())
    }

    fn directory_count(&self) -> usize {
        if self.is_directory() { self.segments.len() } else { self.segments.len().saturating_sub(1) }
    }

    /// Whether it lies within the folder `other`.
    pub fn lies_below(&self, other: &Self) -> bool {
        self.segments.len() > other.segments.len() && self.segments.starts_with(&other.segments)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("/"))?;
        f.write_str(if self.slash { "/" } else { "" })
    }
}

/// Whether a name is, or after further decoding becomes, a step upwards or more than one name.
fn is_dangerous(name: &str) -> bool {
    let mut name = Cow::Borrowed(name);
    for _ in 0..DECODING_ROUNDS {
        if name == ".." || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
            return true;
        }
        let decoded = percent_decode_str(&name).decode_utf8_lossy().into_owned();
        if decoded == *name {
            return false;
        }
        name = Cow::Owned(decoded);
    }
    true
}

/// Whether two URLs carry the same parameters, however they are encoded.
fn same_query(one: &Url, other: &Url) -> bool {
    one.query_pairs().eq(other.query_pairs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn base() -> Base {
        Base::new(&SecretUrl::parse("https://backend.example/media/students?key=k3y").unwrap())
    }

    fn on_root(href: &str) -> Result<String, Refused> {
        let base = base();
        base.follow(&base.root(), href).map(|place| place.to_string())
    }

    #[test]
    fn links_below_the_base_are_followed_however_they_are_written() {
        for (href, place) in [
            ("2110001/", "2110001/"),
            ("2110001", "2110001"),
            ("./2110001/", "2110001/"),
            ("students/2110001/", "2110001/"),
            ("/media/students/2110001/a%20b.JPG", "2110001/a b.JPG"),
            ("https://backend.example/media/students/2110001/a.jpg?key=k3y", "2110001/a.jpg"),
            ("https://backend.example:443/media/students/2110001/a.jpg", "2110001/a.jpg"),
            ("http://backend.example/media/students/2110001/a.jpg?v=3", "2110001/a.jpg"),
            ("//backend.example/media/students/2110001/?key=k3y", "2110001/"),
            (" 2110001/ ", "2110001/"),
            ("2110001/100%25.jpg", "2110001/100%.jpg"),
            ("2110001/caf%C3%A9.png", "2110001/café.png"),
        ] {
            assert_eq!(on_root(href).as_deref(), Ok(place), "{href}");
        }
    }

    #[test]
    fn every_other_link_is_refused_with_its_reason() {
        for (href, why) in [
            ("../", Refused::Dangerous),
            ("2110001/../../secret/", Refused::Dangerous),
            ("%2e%2e/etc/", Refused::Dangerous),
            ("2110001/%252e%252e/a.jpg", Refused::Dangerous),
            ("2110001/.%2E/a.jpg", Refused::Dangerous),
            ("2110001/..%2fa.jpg", Refused::Dangerous),
            ("2110001/..%5ca.jpg", Refused::Dangerous),
            ("2110001\\a.jpg", Refused::Dangerous),
            ("\\\\other.example\\a.jpg", Refused::Dangerous),
            ("2110001/a%00.jpg", Refused::Dangerous),
            ("2110001/.\t./a.jpg", Refused::Dangerous),
            ("2110001//a.jpg", Refused::Dangerous),
            ("/etc/passwd", Refused::OutsideBase),
            ("/media/students2/a.jpg", Refused::OutsideBase),
            ("/media/students/", Refused::OutsideBase),
            ("", Refused::Fragment),
            ("?C=N;O=D", Refused::Sort),
            ("./?sort=name&order=desc", Refused::Sort),
            ("2110001/?C=N;O=D", Refused::Sort),
            ("#top", Refused::Fragment),
            ("2110001/#top", Refused::Fragment),
            ("https://other.example/media/students/2110001/a.jpg", Refused::OtherHost),
            ("//other.example/media/students/a/", Refused::OtherHost),
            ("https://backend.example:8443/media/students/a/", Refused::OtherHost),
            ("https://backend.example@other.example/media/students/a/", Refused::OtherHost),
            ("javascript:alert(1)", Refused::Scheme),
            ("mailto:a@b.example", Refused::Scheme),
            ("2110001/%ff.jpg", Refused::Malformed),
            ("a/b/c/d/e/f/g/h/i/j/k/", Refused::TooDeep),
        ] {
            assert_eq!(on_root(href), Err(why), "{href}");
        }
    }

    #[test]
    fn a_page_without_its_slash_still_finds_its_photos() {
        let base = base();
        let page = base.follow(&base.root(), "2110001").unwrap();
        assert_eq!(base.follow(&page, "a.jpg").unwrap().to_string(), "2110001/a.jpg");
        assert_eq!(base.follow(&page, "2110001/a.jpg").unwrap().to_string(), "2110001/a.jpg");
    }

    #[test]
    fn redirects_stay_on_the_server_and_below_the_base() {
        let base = base();
        let to =
            |location: &str| base.redirect(&base.root(), location).map(|place| base.url(&place).to_string());
        assert_eq!(to("/media/students/").unwrap(), "https://backend.example/media/students/?key=k3y");
        assert_eq!(
            to("https://backend.example/media/students/1/").unwrap(),
            "https://backend.example/media/students/1/?key=k3y"
        );
        assert_eq!(to("http://backend.example/media/students/"), Err(Refused::OtherHost));
        assert_eq!(to("https://other.example/media/students/"), Err(Refused::OtherHost));
        assert_eq!(to("/login?next=/media/students/"), Err(Refused::OutsideBase));
    }

    proptest! {
        #[test]
        fn no_link_leaves_the_base(
            href in r"(https?:|//|/|\\)?([a-z.%25/\\?#&;=@:\x00-\x20é-]|\.\./|%2e|%252e|%5c|%2f|%00|backend\.example|media|students|2110001){0,24}",
            deep in any::<bool>(),
        ) {
            let base = base();
            let page = if deep { base.follow(&base.root(), "2110001/x/").unwrap() } else { base.root() };
            for place in [base.follow(&page, &href), base.redirect(&page, &href)].into_iter().flatten() {
                let url = base.url(&place);
                prop_assert_eq!(url.origin(), base.url.origin());
                let path = url.path();
                prop_assert!(path == "/media/students" || path.starts_with("/media/students/"), "{}", path);
                prop_assert_eq!(url.query(), Some("key=k3y"));
                prop_assert!(place.segments.iter().all(|name| !name.is_empty() && name != ".." && !name.contains(['/', '\\', '\0'])));
                // The address of a place leads to that place.
                prop_assert_eq!(base.below(&url), Ok(place));
            }
        }

        #[test]
        fn no_text_makes_the_filter_panic(href in any::<String>()) {
            let base = base();
            let _ = base.follow(&base.root(), &href);
        }
    }
}
