//! Whether a page is the listing of the folder that was asked for: pure.
//!
//! An error, log-in or maintenance page may come with status 200, and with links and pictures on it. If it
//! were believed, it would remove a student. So what a folder lacks is believed only from a page that shows
//! that it lists this folder; a page that names photos and shows no more may add photos, and removes none.

use percent_encoding::percent_decode_str;

use super::bounds::Link;
use super::link::{Base, Place};
use super::listing::{Kind, Page};
use super::markup::Marks;
use vision::kind::is_photo;

/// How the titles and headlines of known listings begin, in lower case: nginx, Apache, lighttpd, Django
/// ("Index of"), Python and Tomcat ("Directory listing for"), Jetty and others.
const KNOWN: [&str; 6] =
    ["index of", "directory listing for", "directory listing of", "listing of", "directory:", "files within"];

/// Words on a page that may link to its parent and is not a listing all the same, in lower case.
const TROUBLE: [&str; 12] = [
    "error",
    "denied",
    "forbidden",
    "not found",
    "unavailable",
    "maintenance",
    "log in",
    "login",
    "sign in",
    "session",
    "try again",
    "be back",
];

/// What a page is to the folder that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judged {
    /// Its listing: what is not on it is gone.
    Listing(Vec<Place>),
    /// It names photos of the folder; whether it names all of them is not known.
    Some(Vec<Place>),
    /// Something else.
    Other,
    /// It ends in the middle.
    BrokeOff,
}

/// Judges a page that was found at `at`. `is_framed`: whether the answer said where it ends.
pub(super) fn judge(page: &Page, base: &Base, at: &Place, is_framed: bool) -> Judged {
    let places = |links: &[Link]| links.iter().filter_map(|link| base.follow(at, &link.href).ok()).collect();
    let marks = match &page.kind {
        // Entries that are no links are another answer, such as a list of errors.
        Kind::Json { all_links, is_whole: true }
            if *all_links || at.segments().is_empty() || !page.links.is_empty() =>
        {
            return Judged::Listing(places(&page.links));
        }
        Kind::Json { is_whole: false, .. } if !page.links.is_empty() => {
            return Judged::Some(places(&page.links));
        }
        Kind::Json { .. } => return Judged::Other,
        Kind::Markup(marks) => marks,
    };
    if marks.broke_off || (!is_framed && !marks.is_closed && marks.closed_lists == 0) {
        return Judged::BrokeOff;
    }
    // Of the base nothing more is asked: where it names no photo at all, nothing is removed.
    if at.segments().is_empty() || is_listing(page, marks, base, at) {
        return Judged::Listing(places(&page.links));
    }
    let named = page.links.iter().filter(|link| !link.is_image);
    let mut named = named.filter_map(|link| base.follow(at, &link.href).ok());
    if marks.asks_password
        || !named.any(|place| !place.is_directory() && is_photo(place.name()) && place.lies_below(at))
    {
        return Judged::Other;
    }
    Judged::Some(places(&page.links))
}

fn is_listing(page: &Page, marks: &Marks, base: &Base, at: &Place) -> bool {
    if marks.asks_password {
        return false;
    }
    let heads = [&marks.title, &marks.headline].map(|head| head.trim().to_owned());
    let known = |head: &String| {
        let lower = head.to_lowercase();
        KNOWN.iter().any(|known| lower.starts_with(known)) && names(head, at.name(), false)
    };
    if heads.iter().any(known) {
        return true;
    }
    let to_parent = |link: &Link| !link.is_image && base.leads_to_parent(at, &link.href);
    let said = format!("{} {} {}", heads[0], heads[1], marks.text).to_lowercase();
    if heads.iter().any(|head| names(head, at.name(), true))
        && page.links.iter().any(to_parent)
        && !TROUBLE.iter().any(|word| said.contains(word))
    {
        return true;
    }
    // The page is only a list of links, into the folder or out of it, as Go's file server writes it.
    let is_bare = heads.iter().all(String::is_empty) && marks.text.trim().is_empty() && !marks.has_other_tags;
    let leads_on = |link: &Link| {
        let is_home = link.href.trim().starts_with('/') && at.segments().len() == 1 && base.is_servers_root();
        link.href.starts_with('?')
            || base.follow(at, &link.href).is_ok_and(|place| place.lies_below(at))
            || (to_parent(link) && !is_home)
    };
    is_bare && (marks.closed_lists > 0 || !page.links.is_empty()) && page.links.iter().all(leads_on)
}

/// Whether `head` has `name` as a word of its own, at its end if so asked.
fn names(head: &str, name: &str, at_end: bool) -> bool {
    let decoded = percent_decode_str(head).decode_utf8_lossy();
    [head, &*decoded].into_iter().any(|head| {
        let head = head.trim_end_matches(|c: char| c.is_whitespace() || "/]»\u{201d}\"".contains(c));
        head.match_indices(name).any(|(start, found)| {
            let (before, after) = (&head[..start], &head[start + found.len()..]);
            let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
            !before.ends_with(is_part) && if at_end { after.is_empty() } else { !after.starts_with(is_part) }
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::sync::listing;
    use base::secret::SecretUrl;

    fn judged_at(base: &str, page: &str, is_framed: bool) -> Judged {
        let base = Base::new(&SecretUrl::parse(base).unwrap());
        let at = base.follow(&base.root(), "2110001/").unwrap();
        match listing::read(page.as_bytes()) {
            Ok(page) => judge(&page, &base, &at, is_framed),
            Err(_) => Judged::BrokeOff,
        }
    }

    fn judged(page: &str) -> Judged {
        judged_at("https://backend.example/media/students/?key=k3y", page, true)
    }

    fn empty() -> Judged {
        Judged::Listing(Vec::new())
    }

    #[test]
    fn every_known_listing_of_an_empty_folder_is_believed() {
        for page in [
            "<html>\n<head><title>Index of /media/students/2110001/</title></head>\n<body>\n<h1>Index of /media/students/2110001/</h1><hr><pre><a href=\"../\">../</a>\n</pre><hr></body>\n</html>",
            "<!DOCTYPE HTML><html><head><title>Index of /media/students/2110001</title></head><body><h1>Index of /media/students/2110001</h1><table><tr><th><a href=\"?C=N;O=D\">Name</a></th></tr><tr><td><img src=\"/icons/back.gif\"></td><td><a href=\"/media/students/\">Parent Directory</a></td></tr></table><address>Apache Server at backend.example Port 443</address></body></html>",
            "<!DOCTYPE html><html><head><title>Index of 2110001/</title></head><body><h1>Index of 2110001/</h1><ul><li><a href=\"../\">../</a></li></ul></body></html>",
            "<!DOCTYPE HTML>\n<html>\n<head>\n<title>Directory listing for /2110001/</title></head>\n<body>\n<h1>Directory listing for /2110001/</h1>\n<hr>\n<ul>\n</ul>\n<hr>\n</body></html>",
            "<!DOCTYPE html>\n<title>Index of 2110001</title>\n<h1>Index of 2110001</h1>\n<ul>\n<li><a href=\"../\">../</a></li>\n</ul>\n",
            "<html><head><title>2110001</title><style>x{}</style></head><body><header><h1><a href=\"../../\">/</a><a href=\"../\">students/</a>2110001/</h1></header><a href=\"..\">Go up</a><div>0 directories 0 files</div></body></html>",
            "<html><head><title>backend.example - /media/students/2110001/</title></head><body><H1>backend.example - /media/students/2110001/</H1><hr><pre><A HREF=\"/media/students/\">[To Parent Directory]</A><br><br></pre><hr></body></html>",
            "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n</pre>\n",
            "<a href='../'>../</a>",
            "[]",
            "null\n",
        ] {
            assert_eq!(judged(page), empty(), "{page}");
        }
    }

    #[test]
    fn no_error_login_or_maintenance_page_is_a_listing() {
        for page in [
            "",
            "Database error",
            "{\"error\": \"no database\"}",
            "[{\"error\": 7}]",
            "{\"files\": []}",
            "{\"success\": false, \"data\": []}",
            "[0,0]",
            "<html><body><h1>Database error</h1></body></html>",
            "<ul><li>Home</li></ul>",
            "<html><body><form method=post action='/login/'><input name=user><input name=password type=password><a href='/reset/'>Forgotten?</a></form></body></html>",
            "<html><head><title>Maintenance</title></head><body><img src='/static/logo.png'><h1>We will be back soon</h1><p><a href='/'>Home</a></p><ul class=nav><li><a href='/contact/'>Contact</a></li></ul></body></html>",
            "<html><body><img src='logo.png'><h1>Error 2110001</h1><a href='../'>Back</a></body></html>",
            "<html><head><title>2110001</title></head><body>The folder is not available: internal error. <a href='../'>Back</a></body></html>",
            "<html><body><p>Try again later</p><ul><li><a href='contact/'>Contact</a></li><li><a href='../'>Up</a></li></ul></body></html>",
            "<title>Index of 2110001</title><h1>Index of 2110001</h1><a href='../'>..</a><input type=password>",
            // The base, though the folder was asked for.
            "<html><title>Index of /media/students/</title><h1>Index of /media/students/</h1><a href='../'>../</a><a href='2110001/'>2110001/</a><a href='2110002/'>2</a></html>",
        ] {
            assert_eq!(judged(page), Judged::Other, "{page}");
        }
        let at_root = "<html><body><a href='/'>Home</a></body></html>";
        assert_eq!(judged_at("https://photos.example/?key=k3y", at_root, true), Judged::Other);
    }

    #[test]
    fn a_page_with_photos_that_is_no_known_listing_only_adds() {
        let page = "<html><body><h2>Photos of Ada</h2><p><a href='a.jpg'>front</a></body></html>";
        assert!(matches!(judged(page), Judged::Some(places) if places.len() == 1));
        // Nothing but links is a list.
        assert!(
            matches!(judged("<a href='a.jpg'>a</a><img src='b.jpg'>"), Judged::Listing(places) if places.len() == 2)
        );
    }

    #[test]
    fn a_page_without_a_stated_end_must_show_its_own() {
        let links = "<title>Index of 2110001</title><a href='../'>../</a><a href='a.jpg'>a</a>";
        let judged = |page: &str| judged_at("https://backend.example/students/", page, false);
        assert_eq!(judged(links), Judged::BrokeOff);
        assert!(matches!(judged(&format!("<ul>{links}</ul>")), Judged::Listing(_)));
        assert!(matches!(judged(&format!("<html>{links}</html>")), Judged::Listing(_)));
    }

    /// The same directory as each server shows it; see tests/listings/README.md.
    const SAMPLES: [&str; 7] = [
        include_str!("../../tests/listings/django.html"),
        include_str!("../../tests/listings/nginx.html"),
        include_str!("../../tests/listings/nginx.json"),
        include_str!("../../tests/listings/apache.html"),
        include_str!("../../tests/listings/caddy.html"),
        include_str!("../../tests/listings/caddy.json"),
        include_str!("../../tests/listings/python.html"),
    ];

    #[test]
    fn every_servers_listing_is_recognised() {
        for sample in SAMPLES {
            // Apache's sample was made with the base at the server's root.
            let judged = judged_at("https://backend.example/", sample, false);
            assert!(matches!(judged, Judged::Listing(places) if places.len() >= 7), "{sample}");
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_listing_is_taken_for_a_whole_one(sample in 0..SAMPLES.len(), part in 0.0..1.0_f64, is_framed: bool) {
            let whole = SAMPLES[sample].trim_end();
            // Up to the end of the last link the closing tags are missing.
            let last = whole.rfind("href").or_else(|| whole.rfind("name")).unwrap_or(whole.len());
            let mut end = (part * last as f64) as usize;
            while !whole.is_char_boundary(end) {
                end -= 1;
            }
            let judged = judged_at("https://backend.example/", &whole[..end], is_framed);
            prop_assert!(!matches!(judged, Judged::Listing(_) | Judged::Some(_)), "{}", &whole[..end]);
        }

        #[test]
        fn plain_words_are_never_a_listing(page in "(<p>|<b>|<h1>|</h1>|<div>|<img src=logo.png>|<a href=/contact/>|</a>|[A-Za-z ]{3,12}){1,12}x") {
            prop_assert!(!matches!(judged(&format!("<html><p>Sorry{page}</html>")), Judged::Listing(_)), "{page}");
        }
    }
}
