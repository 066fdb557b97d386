//! The links on a directory page, whoever wrote it, and what tells a listing from another page.
//!
//! Django, nginx, Apache, Caddy and Python write HTML with `<a href>` ([`super::markup`]); older deployments
//! a JSON array of URLs. JSON is read entry by entry: an entry that is no link takes no memory, and the
//! reading ends at [`MAX_LINKS`] entries.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::markup;
use super::markup::Marks;

/// Most links on a page. The largest accepted roster has 200,000 photos.
pub const MAX_LINKS: usize = 250_000;

/// Longest link that is kept, bytes. Path and query of what file browsers write stay far below.
pub(super) const MAX_LINK_BYTES: usize = 4096;

/// Longest time for a page. 30 MB of ordinary HTML take less than a second on the device.
pub(super) const MAX_TIME: Duration = Duration::from_secs(10);

/// Why a page cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// Too many links.
    #[error("the page has more than {MAX_LINKS} links")]
    TooManyLinks,
    /// Made to take for ever.
    #[error("the page takes longer than {} s to read", MAX_TIME.as_secs())]
    TooComplicated,
    /// It ends in the middle.
    #[error("the page broke off before its end")]
    BrokeOff,
}

/// A link on a page, as it is written: [`crate::sync::link`] decides whether to follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The address.
    pub href: String,
    /// Whether it is an image shown on the page, and not something to click on.
    pub is_image: bool,
}

/// What was read of a page.
#[derive(Debug)]
pub struct Page {
    /// Its links, in their order.
    pub links: Vec<Link>,
    /// What kind of page it is.
    pub(super) kind: Kind,
}

/// What kind of page it is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A JSON array; whether each of its entries is a link.
    Json { all_links: bool },
    /// Anything else.
    Markup(Box<Marks>),
}

/// Reads a page.
///
/// # Errors
/// [`ListingError`] when the page is beyond the bounds, or is JSON that ends in the middle.
pub fn read(page: &[u8]) -> Result<Page, ListingError> {
    // A copy only where the text is not valid UTF-8.
    let text = String::from_utf8_lossy(page);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.trim_end() == "null" {
        // Caddy's empty folder.
        return Ok(Page { links: Vec::new(), kind: Kind::Json { all_links: true } });
    }
    if text.starts_with('[')
        && let Some(page) = json(text)?
    {
        return Ok(page);
    }
    let (links, marks) = markup::read(text)?;
    Ok(Page { links, kind: Kind::Markup(Box::new(marks)) })
}

/// The links of a page in their order, as they are written.
///
/// # Errors
/// As [`read`].
pub fn links(page: &[u8]) -> Result<Vec<String>, ListingError> {
    Ok(read(page)?.links.into_iter().map(|link| link.href).collect())
}

/// A JSON array of URLs as texts, or of objects with a `url` or a `name`, as nginx and Caddy can write them;
/// `None` when it is no JSON at all.
fn json(text: &str) -> Result<Option<Page>, ListingError> {
    let overflow = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Entries(&overflow).deserialize(&mut reader).and_then(|read| reader.end().map(|()| read));
    match read {
        Ok((links, all_links)) => Ok(Some(Page { links, kind: Kind::Json { all_links } })),
        Err(_) if overflow.get() => Err(ListingError::TooManyLinks),
        Err(error) if error.is_eof() => Err(ListingError::BrokeOff),
        Err(_) => Ok(None),
    }
}

/// Reads an array entry by entry; its flag is set when there are too many.
struct Entries<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = (Vec<Link>, bool);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = (Vec<Link>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (mut links, mut seen) = (Vec::new(), 0);
        while let Some(Entry(link)) = entries.next_element()? {
            seen += 1;
            if seen > MAX_LINKS {
                self.0.set(true);
                return Err(A::Error::custom("too many entries"));
            }
            links.extend(link.map(|href| Link { href, is_image: false }));
        }
        let all_links = links.len() == seen;
        Ok((links, all_links))
    }
}

/// An entry's link, if it has one.
struct Entry(Option<String>);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor).map(Self)
    }
}

/// The link of an entry; of a map, by its names.
struct EntryVisitor;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Url,
    Name,
    Type,
    #[serde(other)]
    Other,
}

/// A text, or nothing for any other value; what is too long for a link is nothing, too.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The link of a map within a map is nobody's: only texts count here.
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

/// What both visitors do with every value that is neither text nor map.
macro_rules! others_are_nothing {
    () => {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok((text.len() <= MAX_LINK_BYTES).then(|| text.to_owned()))
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut inner: A) -> Result<Self::Value, A::Error> {
            while inner.next_element::<IgnoredAny>()?.is_some() {}
            Ok(None)
        }
    };
}

impl<'de> Visitor<'de> for TextVisitor {
    others_are_nothing!();

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de> Visitor<'de> for EntryVisitor {
    others_are_nothing!();

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut url, mut name, mut is_directory) = (None, None, false);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Url => url = map.next_value::<Text>()?.0,
                Key::Name => name = map.next_value::<Text>()?.0,
                Key::Type => {
                    is_directory = map.next_value::<Text>()?.0.is_some_and(|kind| kind == "directory")
                }
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(url.or_else(|| {
            let name = name?;
            let slash = if is_directory && !name.ends_with('/') { "/" } else { "" };
            // A name is not a link: encoded, a '?' or '#' in it stays part of it.
            let encoded = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
            Some(format!("{encoded}{slash}"))
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::sync::link::Base;
    use base::secret::SecretUrl;

    /// The same directory as each server shows it; see tests/listings/README.md.
    const SAMPLES: [(&str, &[u8]); 7] = [
        ("Django", include_bytes!("../../tests/listings/django.html")),
        ("nginx", include_bytes!("../../tests/listings/nginx.html")),
        ("nginx JSON", include_bytes!("../../tests/listings/nginx.json")),
        ("Apache", include_bytes!("../../tests/listings/apache.html")),
        ("Caddy", include_bytes!("../../tests/listings/caddy.html")),
        ("Caddy JSON", include_bytes!("../../tests/listings/caddy.json")),
        ("Python", include_bytes!("../../tests/listings/python.html")),
    ];

    #[test]
    fn every_servers_listing_is_read_alike() {
        let base = Base::new(&SecretUrl::parse("http://backend.example/students/?key=k3y").unwrap());
        let page = base.follow(&base.root(), "2110001/").unwrap();
        for (server, sample) in SAMPLES {
            let places: BTreeSet<String> = links(sample)
                .unwrap()
                .iter()
                .filter_map(|link| base.follow(&page, link).ok())
                .map(|place| place.to_string())
                .collect();
            let expected = [
                "a#1?.jpg",
                "a-very-long-name-that-the-server-will-certainly-shorten-in-its-listing-of-files.jpeg",
                "front.jpg",
                "it's \"quoted\".png",
                "notes.txt",
                "old/",
                "Ünal & Söhne 100%.JPG",
            ];
            assert_eq!(places, expected.iter().map(|name| format!("2110001/{name}")).collect(), "{server}");
        }
    }

    #[test]
    fn an_array_of_urls_is_a_listing_too() {
        let page = br#" ["https://backend.example/s/1/a.jpg", "/s/2/b.jpg", 7, {"name": "a?b", "type": "directory"}]"#;
        assert_eq!(links(page).unwrap(), ["https://backend.example/s/1/a.jpg", "/s/2/b.jpg", "a%3Fb/"]);
    }

    #[test]
    fn an_array_is_read_only_up_to_the_limit() {
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(links(zeros(MAX_LINKS).as_bytes()).unwrap().is_empty());
        // What follows is not even looked at.
        let endless = format!("[{}", "0,".repeat(20_000_000));
        let start = std::time::Instant::now();
        assert_eq!(links(endless.as_bytes()), Err(ListingError::TooManyLinks));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn an_array_that_ends_in_the_middle_is_no_listing() {
        let whole = include_str!("../../tests/listings/caddy.json").trim_end();
        for end in 1..whole.len() {
            let Some(part) = whole.get(..end) else { continue };
            assert_eq!(links(part.as_bytes()), Err(ListingError::BrokeOff), "{part}");
        }
    }

    #[test]
    fn what_only_looks_like_a_link_is_none() {
        let page = b"<!-- <a href=c></a> --><script>'<a href=s>'</script><style><a href=t></style><title><a href=u></title>\
            <textarea><a href=v></textarea><p title='<a href=w>'><link href=x><a name=y><A HREF = 'z&amp;1'>[1]</a><img src=i>";
        assert_eq!(links(page).unwrap(), ["z&1", "i"]);
    }

    #[test]
    fn a_hundred_thousand_links_are_read_and_a_million_refused() {
        let page =
            |count: usize| (0..count).map(|i| format!("<a href=\"{i}/\">{i}/</a>\n")).collect::<String>();
        assert_eq!(links(page(100_000).as_bytes()).unwrap().len(), 100_000);
        // Whichever bound a busy machine reaches first.
        assert!(links(page(MAX_LINKS + 1).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_page_makes_the_parser_panic(page in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = links(&page);
        }

        #[test]
        fn no_markup_makes_the_parser_panic(page in r"([\[{<a href='\x22>=/]|<a |href=|<script>|<!--|&#x0;|&amp;|\PC){0,80}") {
            let _ = links(page.as_bytes());
        }
    }
}
