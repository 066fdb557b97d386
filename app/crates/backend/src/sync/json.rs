//! Listings in JSON: an array of URLs or of objects, or an object that holds such arrays. Read entry by
//! entry: an entry that is no link takes no memory, and the reading ends at [`MAX_LINKS`] entries.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::bounds::{Link, ListingError, MAX_LINK_BYTES, MAX_LINKS};

/// What was read of a listing in JSON.
#[derive(Debug)]
pub(super) struct Listing {
    /// Its links, in their order.
    pub(super) links: Vec<Link>,
    /// Whether each of its entries is a link; an object must have one at least.
    pub(super) all_links: bool,
    /// Whether it does not say that there are more pages of it.
    pub(super) is_whole: bool,
}

/// A JSON array of URLs as texts, or of objects with a `url` or a `name`, as nginx and Caddy can write them,
/// or an object that holds such arrays, as npm's `serve` writes it; `None` when it is not JSON at all.
pub(super) fn read(text: &str) -> Result<Option<Listing>, ListingError> {
    let reading = Reading::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = TopLevel(&reading).deserialize(&mut reader).and_then(|is_array| {
        reader.end()?;
        Ok(is_array)
    });
    match read {
        Ok(is_array) => {
            let (links, seen) = (reading.links.into_inner(), reading.seen.get());
            // An object without entries is not taken for an empty folder: it may be an answer of another
            // kind.
            let all_links = links.len() == seen && (is_array || seen > 0);
            Ok(Some(Listing { links, all_links, is_whole: !reading.goes_on.get() }))
        }
        Err(_) if reading.overflow.get() => Err(ListingError::TooManyLinks),
        Err(error) if error.is_eof() => Err(ListingError::BrokeOff),
        Err(_) => Ok(None),
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    links: RefCell<Vec<Link>>,
    /// Entries, links or not.
    seen: Cell<usize>,
    overflow: Cell<bool>,
    /// Whether it says that there are more pages.
    goes_on: Cell<bool>,
}

/// What stands at the top. Gives whether it is an array.
struct TopLevel<'a>(&'a Reading);

impl<'de> DeserializeSeed<'de> for TopLevel<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// The keys of an object that lists a folder.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Part {
    #[serde(alias = "items", alias = "entries", alias = "children", alias = "contents")]
    #[serde(alias = "results", alias = "paths", alias = "objects", alias = "data")]
    Files,
    #[serde(alias = "directories", alias = "folders", alias = "subdirectories")]
    Dirs,
    #[serde(alias = "next_page", alias = "nextPage", alias = "nextPageToken", alias = "has_more")]
    #[serde(alias = "hasMore", alias = "truncated", alias = "isTruncated")]
    Next,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for TopLevel<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<bool, A::Error> {
        Entries { reading: self.0, are_folders: false }.visit_seq(entries).map(|()| true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(key) = map.next_key()? {
            match key {
                Part::Files => map.next_value_seed(Entries { reading: self.0, are_folders: false })?,
                Part::Dirs => map.next_value_seed(Entries { reading: self.0, are_folders: true })?,
                Part::Next => {
                    let says_yes = match map.next_value::<Small>()? {
                        Small::Text(text) => !text.is_empty(),
                        Small::Bool(value) => value,
                        Small::Nothing => false,
                    };
                    self.0.goes_on.set(self.0.goes_on.get() | says_yes);
                }
                Part::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(false)
    }
}

/// Reads an array entry by entry. Any other value is not an entry.
struct Entries<'a> {
    reading: &'a Reading,
    are_folders: bool,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What visitors do with the values that are of no use to them.
macro_rules! nothing_of {
    ($nothing:expr; $($visit:ident: $kind:ty),*) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }

        $(fn $visit<E>(self, _: $kind) -> Result<Self::Value, E> {
            Ok($nothing)
        })*

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }
    };
}

/// Skips a list.
fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Skips a map.
fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    nothing_of!((); visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        skip_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { reading, are_folders } = self;
        while let Some(link) = entries.next_element_seed(Entry { are_folders })? {
            reading.seen.set(reading.seen.get() + 1);
            if reading.seen.get() > MAX_LINKS {
                reading.overflow.set(true);
                return Err(A::Error::custom("too many entries"));
            }
            reading.links.borrow_mut().extend(link.map(|href| Link { href, is_image: false }));
        }
        Ok(())
    }
}

/// An entry's link, if it has one; of a map, by its names.
struct Entry {
    are_folders: bool,
}

impl<'de> DeserializeSeed<'de> for Entry {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// The keys of an entry.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    #[serde(alias = "href")]
    Url,
    /// The name with its extension, where `name` is without (npm's `serve`).
    #[serde(alias = "filename")]
    Base,
    Name,
    Path,
    #[serde(alias = "path_type", alias = "kind")]
    Type,
    #[serde(alias = "is_dir", alias = "isDir", alias = "isDirectory", alias = "is_directory")]
    Directory,
    #[serde(other)]
    Other,
}

/// A text or a truth value; what is anything else, or too long for a link, is nothing.
enum Small {
    Text(String),
    Bool(bool),
    Nothing,
}

impl Small {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Small {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The link of a map within a map is nobody's.
        deserializer.deserialize_any(SmallVisitor)
    }
}

struct SmallVisitor;

impl<'de> Visitor<'de> for SmallVisitor {
    type Value = Small;

    nothing_of!(Small::Nothing; visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_bool<E>(self, value: bool) -> Result<Small, E> {
        Ok(Small::Bool(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Small, E> {
        Ok(if text.len() <= MAX_LINK_BYTES { Small::Text(text.to_owned()) } else { Small::Nothing })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Small, A::Error> {
        skip_list(list).map(|()| Small::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Small, A::Error> {
        skip_map(map).map(|()| Small::Nothing)
    }
}

impl<'de> Visitor<'de> for Entry {
    type Value = Option<String>;

    nothing_of!(None; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let slash = if self.are_folders && !text.ends_with('/') { "/" } else { "" };
        Ok((text.len() <= MAX_LINK_BYTES).then(|| format!("{text}{slash}")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut url, mut base, mut name, mut path) = (None, None, None, None);
        let mut is_folder = self.are_folders;
        while let Some(key) = map.next_key()? {
            match key {
                Key::Url => url = map.next_value::<Small>()?.text(),
                Key::Base => base = map.next_value::<Small>()?.text(),
                Key::Name => name = map.next_value::<Small>()?.text(),
                Key::Path => path = map.next_value::<Small>()?.text(),
                Key::Type => {
                    let kind = map.next_value::<Small>()?.text().unwrap_or_default().to_lowercase();
                    is_folder |= matches!(kind.as_str(), "directory" | "folder" | "dir" | "d" | "symlinkdir");
                }
                Key::Directory => is_folder |= matches!(map.next_value::<Small>()?, Small::Bool(true)),
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if url.is_some() {
            return Ok(url);
        }
        // A name is not a link: encoded, a '?' or '#' in it stays part of it.
        let encoded = |name: &str| {
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let link = match (base.or(name), path) {
            (Some(name), _) => {
                is_folder |= name.ends_with('/');
                encoded(name.trim_end_matches('/'))
            }
            (None, Some(path)) => path.split('/').map(encoded).collect::<Vec<_>>().join("/"),
            (None, None) => return Ok(None),
        };
        let slash = if is_folder && !link.ends_with('/') { "/" } else { "" };
        Ok(Some(format!("{link}{slash}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::sync::listing::{Kind, links, read};

    #[test]
    fn an_array_of_urls_is_a_listing_too() {
        let page = br#" ["https://backend.example/s/1/a.jpg", "/s/2/b.jpg", 7, {"name": "a?b", "type": "directory"}]"#;
        assert_eq!(links(page).unwrap(), ["https://backend.example/s/1/a.jpg", "/s/2/b.jpg", "a%3Fb/"]);
    }

    #[test]
    fn objects_that_list_a_folder_are_read() {
        for (page, expected, is_whole) in [
            (
                r#"{"files":[{"type":"directory","base":"..","relative":"/..","title":"Go up"},
                    {"base":"2110001/","relative":"/2110001/","type":"folder","name":"2110001","ext":""},
                    {"base":"a b.jpg","name":"a b","ext":"jpg","type":"file","dir":"/"}],
                    "directory":"students/","paths":[]}"#,
                vec!["%2E%2E/", "2110001/", "a%20b%2Ejpg"],
                true,
            ),
            (
                r#"{"dirs":["2110001"],"files":[{"href":"a.jpg"}],"readme":"x"}"#,
                vec!["2110001/", "a.jpg"],
                true,
            ),
            (
                r#"{"paths":[{"path_type":"Dir","name":"2110001"},{"path_type":"File","name":"a.jpg"}]}"#,
                vec!["2110001/", "a%2Ejpg"],
                true,
            ),
            (
                r#"{"count":9,"next":"?page=2","results":[{"path":"/s/2110001","isDir":true}]}"#,
                vec!["/s/2110001/"],
                false,
            ),
            (r#"{"next":null,"items":[{"name":"1","is_dir":true}],"has_more":false}"#, vec!["1/"], true),
        ] {
            let read = read(page.as_bytes()).unwrap();
            assert_eq!(
                read.links.iter().map(|link| link.href.as_str()).collect::<Vec<_>>(),
                expected,
                "{page}"
            );
            assert!(
                matches!(read.kind, Kind::Json { all_links: true, is_whole: whole } if whole == is_whole),
                "{page}: {:?}",
                read.kind
            );
        }
        // Nothing is believed of an object that names nothing.
        for page in [r#"{"error": "no database"}"#, r#"{"files": []}"#, r#"{"data": 7}"#, r#"{"items": [0]}"#]
        {
            let read = read(page.as_bytes()).unwrap();
            assert!(matches!(read.kind, Kind::Json { all_links: false, .. }), "{page}");
        }
        let endless = format!("{{\"files\": [{}", "{},".repeat(MAX_LINKS + 1));
        assert_eq!(links(endless.as_bytes()), Err(ListingError::TooManyLinks));
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
}
