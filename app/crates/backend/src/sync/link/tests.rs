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
        // What else stands in the query does not matter.
        ("2110001/?key=k3y&v=2", "2110001/"),
        ("2110001/?v=2", "2110001/"),
        ("2110001/?C=N;O=D", "2110001/"),
        ("?dir=2110001", "2110001/"),
        ("?key=k3y&dir=2110001%2Fold", "2110001/old/"),
        ("?key=other&dir=/media/students/2110001/", "2110001/"),
        ("index.php?dir=./2110001&sort=name", "2110001/"),
        ("/media/students/index.php?folder=2110001&file=a.jpg", "2110001/a.jpg"),
        ("?path=2110001/a.jpg", "2110001/a.jpg"),
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
        ("#top", Refused::Fragment),
        ("2110001/#top", Refused::Fragment),
        ("https://other.example/media/students/2110001/a.jpg", Refused::OtherHost),
        ("//other.example/media/students/a/", Refused::OtherHost),
        ("https://backend.example:8443/media/students/a/", Refused::OtherHost),
        ("https://backend.example@other.example/media/students/a/", Refused::OtherHost),
        ("javascript:alert(1)", Refused::Scheme),
        ("mailto:a@b.example", Refused::Scheme),
        ("?dir=..", Refused::Dangerous),
        ("?dir=2110001/../../etc", Refused::Dangerous),
        ("?dir=2110001%252f..", Refused::Dangerous),
        ("?file=2110001%5Ca.jpg", Refused::Dangerous),
        ("?dir=", Refused::Sort),
        ("/other.php?dir=2110001", Refused::OutsideBase),
        ("https://other.example/media/students?dir=2110001", Refused::OtherHost),
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
    let to = |location: &str| base.redirect(&base.root(), location).map(|place| base.url(&place).to_string());
    assert_eq!(to("/media/students/").unwrap(), "https://backend.example/media/students/?key=k3y");
    assert_eq!(
        to("https://backend.example/media/students/1/").unwrap(),
        "https://backend.example/media/students/1/?key=k3y"
    );
    assert_eq!(to("http://backend.example/media/students/"), Err(Refused::Unencrypted));
    assert_eq!(to("https://backend.example:8443/media/students/"), Err(Refused::OtherPort));
    assert_eq!(to("https://other.example/media/students/"), Err(Refused::OtherHost));
    assert_eq!(to("/login?next=/media/students/"), Err(Refused::OutsideBase));
}

#[test]
fn plain_http_may_become_https_on_the_same_host_and_nothing_else() {
    let base = Base::new(&SecretUrl::parse("http://backend.example:8000/students/?key=k3y").unwrap());
    let root = base.root();
    let to = "https://backend.example:8443/students/";
    let encrypted = base.encrypted(&root, to).unwrap();
    assert_eq!(
        encrypted.url(&encrypted.redirect(&root, to).unwrap()).as_str(),
        "https://backend.example:8443/students/?key=k3y"
    );
    // Links may still name the address as it was.
    let link = "http://backend.example:8000/students/2110001/";
    assert_eq!(encrypted.follow(&root, link).unwrap().to_string(), "2110001/");
    for elsewhere in [
        "https://other.example/students/",
        "http://backend.example:8001/students/",
        "/students/",
        "https://u@other.example/",
    ] {
        assert!(base.encrypted(&root, elsewhere).is_none(), "{elsewhere}");
    }
    assert!(encrypted.encrypted(&root, to).is_none());
    let login = "https://backend.example:8443/login";
    assert_eq!(base.encrypted(&root, login).unwrap().redirect(&root, login), Err(Refused::OutsideBase));
}

#[test]
fn a_script_is_asked_for_a_folder_by_its_parameter() {
    for (base, link, url, photo) in [
        (
            "https://backend.example/students/?key=k%2B3",
            "?dir=2110001",
            "https://backend.example/students/?key=k%2B3&dir=2110001",
            "https://backend.example/students/2110001/a.jpg?key=k%2B3",
        ),
        (
            "https://backend.example/students/list.php?key=k3",
            "list.php?dir=2110001&v=1",
            "https://backend.example/students/list.php?key=k3&dir=2110001&v=1",
            "https://backend.example/students/2110001/a.jpg?key=k3",
        ),
        (
            "https://backend.example/list.php?dir=faces&key=k3",
            "?dir=faces/2110001",
            "https://backend.example/list.php?key=k3&dir=faces%2F2110001",
            "https://backend.example/2110001/a.jpg?dir=faces&key=k3",
        ),
    ] {
        let base = Base::new(&SecretUrl::parse(base).unwrap());
        let place = base.follow(&base.root(), link).unwrap();
        assert_eq!((place.to_string().as_str(), base.url(&place).as_str()), ("2110001/", url));
        let file = base.follow(&place, "2110001/a.jpg").unwrap();
        assert_eq!((file.to_string().as_str(), base.url(&file).as_str()), ("2110001/a.jpg", photo));
        assert!(base.leads_to_parent(&place, &link.replace("/2110001", "").replace("2110001", "")));
        assert!(!base.leads_to_parent(&place, link));
    }
}

proptest! {
    #[test]
    fn no_link_leaves_the_base(
        href in r"(https?:|//|/|\\|\?dir=|index\.php\?file=)?([a-z.%25/\\?#&;=@:\x00-\x20é-]|\.\./|%2e|%252e|%5c|%2f|%00|backend\.example|media|students|2110001){0,24}",
        deep in any::<bool>(),
    ) {
        let base = base();
        let page = if deep { base.follow(&base.root(), "2110001/x/").unwrap() } else { base.root() };
        for place in [base.follow(&page, &href), base.redirect(&page, &href)].into_iter().flatten() {
            let url = base.url(&place);
            prop_assert_eq!(url.origin(), base.url.origin());
            let path = url.path();
            prop_assert!(path == "/media/students" || path.starts_with("/media/students/"), "{}", path);
            let query = url.query().unwrap_or_default();
            prop_assert!(query == "key=k3y" || (place.asked.is_some() && query.starts_with("key=k3y&")), "{}", query);
            prop_assert_eq!(url.query_pairs().filter(|(name, _)| name == "key").count(), 1);
            prop_assert!(place.segments.iter().all(|name| !name.is_empty() && name != ".." && !name.contains(['/', '\\', '\0'])));
            // The address of a place leads to that place.
            prop_assert_eq!(base.by_parameter(&url).unwrap_or_else(|| base.below(&url)), Ok(place));
        }
    }

    #[test]
    fn no_text_makes_the_filter_panic(href in any::<String>()) {
        let base = base();
        let _ = base.follow(&base.root(), &href);
    }
}
