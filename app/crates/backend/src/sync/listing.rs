//! The links on a directory page, whoever wrote it, and what tells a listing from another page.
//!
//! Django, nginx, Apache, Caddy and Python write HTML with `<a href>` ([`super::markup`]); older deployments
//! a JSON array of URLs; npm's `serve` and others an object with such an array in it. ([`super::json`]).

use super::bounds::{Link, ListingError};
use super::json;
use super::markup;
use super::markup::Marks;

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
    /// JSON.
    Json {
        /// Whether each of its entries is a link; an object must have one at least.
        all_links: bool,
        /// Whether it does not say that there are more pages of it.
        is_whole: bool,
    },
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
        return Ok(Page { links: Vec::new(), kind: Kind::Json { all_links: true, is_whole: true } });
    }
    if text.starts_with(['[', '{'])
        && let Some(json::Listing { links, all_links, is_whole }) = json::read(text)?
    {
        return Ok(Page { links, kind: Kind::Json { all_links, is_whole } });
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::sync::bounds::MAX_LINKS;
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
