//! The links on a directory page, whoever wrote it.
//!
//! Django, nginx, Apache, Caddy and Python write HTML with `<a href>`; older deployments a JSON array of
//! URLs. Only the tokenizer of html5ever is used: it knows entities, comments, scripts and quotes, while
//! building a tree costs memory for each node and, on a hostile page, quadratic time.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, StartTag, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Most links on a page. The largest accepted roster has 200,000 photos.
pub const MAX_LINKS: usize = 250_000;

/// Longest time for a page. 30 MB of ordinary HTML take less than a second on the device.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Bytes tokenized between two looks at the clock.
const STRIDE: usize = 64 * 1024;

/// Why a page cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// Too many links.
    #[error("the page has more than {MAX_LINKS} links")]
    TooManyLinks,
    /// Made to take for ever.
    #[error("the page takes longer than {} s to read", MAX_TIME.as_secs())]
    TooComplicated,
}

/// The links of a page in their order, as they are written: [`crate::sync::link`] decides which to follow.
///
/// # Errors
/// [`ListingError`] when the page is beyond the bounds.
pub fn links(page: &[u8]) -> Result<Vec<String>, ListingError> {
    let text = String::from_utf8_lossy(page);
    let text = begun(&text);
    match json_links(text) {
        Some(links) if links.len() > MAX_LINKS => Err(ListingError::TooManyLinks),
        Some(links) => Ok(links),
        None => html_links(text),
    }
}

/// Whether a page without a link is the listing of an empty folder, and not an error page that came as a
/// success: Python's http.server then writes a list without entries, and JSON is an array without any
/// (Caddy's is null). All others link to the folder above.
pub fn is_of_an_empty_folder(page: &[u8]) -> bool {
    let text = String::from_utf8_lossy(page);
    let text = begun(&text);
    json_links(text).is_some() || text.trim_end() == "null" || text.to_ascii_lowercase().contains("<ul")
}

/// A page from its first character on.
fn begun(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim_start()
}

/// The links of a JSON array: URLs as texts, or objects with a `url` or a `name`, as nginx and Caddy can
/// write them.
fn json_links(text: &str) -> Option<Vec<String>> {
    if !text.starts_with('[') {
        return None;
    }
    let entries: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let link = |entry: &serde_json::Value| {
        if let Some(url) = entry.as_str().or_else(|| entry["url"].as_str()) {
            return Some(url.to_owned());
        }
        let name = entry["name"].as_str()?;
        let directory = entry["type"] == "directory" && !name.ends_with('/');
        // A name is not a link: encoded, a '?' or '#' in it stays part of it.
        let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        Some(format!("{encoded}{}", if directory { "/" } else { "" }))
    };
    Some(entries.iter().filter_map(link).collect())
}

fn html_links(text: &str) -> Result<Vec<String>, ListingError> {
    let start = Instant::now();
    let options = TokenizerOpts { discard_bom: true, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(Links::default(), options);
    let queue = BufferQueue::default();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = STRIDE.min(rest.len());
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        queue.push_back(StrTendril::from(piece));
        while !queue.is_empty() {
            let _ = tokenizer.feed(&queue);
        }
        if start.elapsed() > MAX_TIME {
            return Err(ListingError::TooComplicated);
        }
        if tokenizer.sink.overflow.get() {
            return Err(ListingError::TooManyLinks);
        }
    }
    tokenizer.end();
    let links = tokenizer.sink.found.into_inner();
    if tokenizer.sink.overflow.get() { Err(ListingError::TooManyLinks) } else { Ok(links) }
}

/// Collects `<a href>` and `<img src>`.
#[derive(Default)]
struct Links {
    found: RefCell<Vec<String>>,
    overflow: Cell<bool>,
}

impl TokenSink for Links {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let TagToken(tag) = token else { return TokenSinkResult::Continue };
        if tag.kind != StartTag {
            return TokenSinkResult::Continue;
        }
        let wanted = match &*tag.name {
            "a" => "href",
            "img" => "src",
            // What is text and not markup: a tree builder would tell the tokenizer so.
            "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                return TokenSinkResult::RawData(RawKind::Rawtext);
            }
            "title" | "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
            _ => return TokenSinkResult::Continue,
        };
        if let Some(attribute) = tag.attrs.iter().find(|attribute| &*attribute.name.local == wanted) {
            let mut found = self.found.borrow_mut();
            if found.len() < MAX_LINKS {
                found.push(attribute.value.to_string());
            } else {
                self.overflow.set(true);
            }
        }
        TokenSinkResult::Continue
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
    fn an_empty_folder_is_told_from_an_error_page() {
        let python = "<!DOCTYPE HTML>\n<html>\n<body>\n<h1>Directory listing for /1/</h1>\n<hr>\n<ul>\n</ul>\n<hr>\n</body>";
        for (page, empty) in [
            (python, true),
            ("[\n]\n", true),
            ("null\n", true),
            ("", false),
            ("<html><body><h1>Database error</h1></body></html>", false),
            ("{\"error\": \"no database\"}", false),
        ] {
            assert!(links(page.as_bytes()).unwrap().is_empty(), "{page}");
            assert_eq!(is_of_an_empty_folder(page.as_bytes()), empty, "{page}");
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
