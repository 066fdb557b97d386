#![allow(clippy::unwrap_used)]
use base::secret::Secret;

use super::*;
use crate::rights::Rights;
use crate::routes::{Endpoint, ROUTES};
use access::account::AccountFile;
use access::password;
use access::token::TokenFile;

#[tokio::test]
async fn many_addresses_that_guess_at_once_do_not_keep_the_right_password_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let hash = password::hash(&Secret::new("correct horse")).unwrap();
    let current = CurrentPassword::new(Password::parse(&hash, "here"), None);
    let lifetimes = Lifetimes { idle: Duration::from_secs(60), longest: Duration::from_secs(60) };
    let tokens = Tokens::new(Default::default(), TokenFile::below(folder.path()));
    let accounts = Arc::new(Accounts::new(AccountFile::below(folder.path())));
    let door = Arc::new(AccessGuard::new(Arc::new(current), accounts, tokens, lifetimes));
    let begun = Instant::now();
    assert!(matches!(door.log_in(TECHNICIAN.to_owned(), "a guess".to_owned(), ip(0)).await, LogIn::Wrong(_)));
    let one = begun.elapsed();
    let guesses: Vec<_> = (1..=250)
        .map(|host| {
            let door = Arc::clone(&door);
            tokio::spawn(
                async move { door.log_in(TECHNICIAN.to_owned(), "a guess".to_owned(), ip(host)).await },
            )
        })
        .collect();
    tokio::task::yield_now().await;
    let begun = Instant::now();
    // Somebody in the middle of the crowd may be told to come again, and does.
    while let LogIn::MustWait(wait) =
        door.log_in(TECHNICIAN.to_owned(), "correct horse".to_owned(), ip(1000)).await
    {
        tokio::time::sleep(wait).await;
    }
    let waited = begun.elapsed();
    assert!(door.must_wait(ip(1000)).is_none());
    assert!(waited < 2 * COME_AGAIN + 20 * one, "{waited:?}, where one check takes {one:?}");
    // Who knew it once has a line of their own.
    let begun = Instant::now();
    assert!(matches!(
        door.log_in(TECHNICIAN.to_owned(), "correct horse".to_owned(), ip(1000)).await,
        LogIn::Opened(_)
    ));
    assert!(begun.elapsed() < 20 * one);
    for guess in guesses {
        assert!(!matches!(guess.await.unwrap(), LogIn::Opened(_)));
    }
    assert!(door.must_wait(ip(250)).is_none_or(|wait| wait <= Duration::from_secs(2)));
}

fn ip(host: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + host).into())
}

fn person(role: Role) -> Who {
    Who::Person { account: "anna".to_owned(), role, cookie: String::new(), csrf: String::new() }
}

fn token(access: TokenAccess) -> Who {
    Who::Token { name: "x".to_owned(), access }
}

/// The addresses that `who` may use, as the table has them.
fn allowed(who: &Who) -> Vec<String> {
    let may = |route: &&crate::routes::Route| who.may(route.access, Rights::default().least(route.endpoint));
    ROUTES.iter().filter(may).map(|route| format!("{} {}", route.method, route.path)).collect()
}

const OPEN: [&str; 3] = ["GET /healthz", "GET /login", "POST /login"];

/// What no token sees.
fn is_for_persons(path: &str) -> bool {
    let seen = ["/preview.svg", "/roster/picture.svg", "/door", "/door.jpg"];
    [" /settings", " /accounts", " /enrol", " /archive/reset", " /archive/recovery-key"]
        .iter()
        .any(|begin| path.contains(begin))
        || seen.iter().any(|seen| path == format!("GET {seen}"))
}

/// What a token with `read` could do before there were roles.
const READ: [&str; 15] = [
    "GET /",
    "GET /status",
    "GET /attendance/today",
    "GET /attendance/health",
    "GET /attendance/{date}.csv",
    "GET /attendance/{date}",
    "GET /roster",
    "GET /events",
    "GET /logs/server",
    "GET /metrics",
    "GET /diagnostics",
    "GET /docs",
    "GET /openapi.json",
    "GET /healthz",
    "GET /login",
];
/// What one with `full` could do beside that.
const FULL: [&str; 17] = [
    "POST /attendance/restart",
    "POST /attendance/close",
    "POST /sync/manual",
    "POST /sync/confirm-removal",
    "POST /sync/test",
    "POST /clock/confirm",
    "POST /upload/manual",
    "POST /upload/test",
    "POST /upload/retry/{row}",
    "POST /upload/retry-all",
    "POST /upload/dismiss/{row}",
    "POST /update/bundle",
    "POST /update/install",
    "POST /update/try",
    "POST /update/acknowledge",
    "POST /update/check",
    "POST /update/go-back",
];

#[test]
fn tokens_without_a_role_keep_the_rights_they_had() {
    let read = allowed(&token(TokenAccess::Read));
    let full = allowed(&token(TokenAccess::Full));
    assert_eq!(allowed(&Who::Nobody), OPEN);
    for path in READ {
        assert!(read.contains(&path.to_owned()) && full.contains(&path.to_owned()), "{path}");
    }
    assert_eq!(read.len(), READ.len() + 1, "and POST /login: {read:?}");
    for path in FULL {
        assert!(full.contains(&path.to_owned()), "{path}");
    }
    assert_eq!(full.len(), READ.len() + FULL.len() + 1, "{full:?}");
}

#[test]
fn each_role_may_do_what_the_table_says_and_no_more() {
    let viewer = allowed(&person(Role::Viewer));
    let office = allowed(&person(Role::Office));
    let everything = ROUTES.len();
    assert_eq!(allowed(&person(Role::Technician)).len(), everything);
    for path in ["GET /", "GET /attendance/{date}", "POST /logout", "GET /page.js"] {
        assert!(viewer.contains(&path.to_owned()), "{path}");
    }
    for path in ["POST /attendance/close", "GET /roster", "GET /roster/picture.svg", "POST /sync/manual"] {
        assert!(office.contains(&path.to_owned()) && !viewer.contains(&path.to_owned()), "{path}");
    }
    for path in [
        "GET /preview.svg",
        "GET /door.jpg",
        "GET /diagnostics",
        "GET /logs/server",
        "POST /update/install",
        "POST /attendance/restart",
        "GET /accounts",
        "POST /accounts/{change}",
    ] {
        assert!(!office.contains(&path.to_owned()), "{path}");
    }
    for role in Role::ALL {
        let mut of_person = allowed(&person(role));
        of_person.retain(|path| !is_for_persons(path));
        assert_eq!(of_person, allowed(&token(role.into())), "a token with a role has its rights");
    }
}

#[test]
fn the_office_sees_the_live_picture_only_where_that_is_allowed() {
    let may = |office_sees_picture, endpoint| {
        let least = Rights { office_sees_picture }.least(endpoint);
        person(Role::Office).may(Access::Person, least)
    };
    for endpoint in [Endpoint::Preview, Endpoint::DoorPage, Endpoint::DoorPicture] {
        assert!(may(true, endpoint) && !may(false, endpoint));
    }
}

#[tokio::test]
async fn an_account_logs_in_with_its_own_password_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = AccountFile::below(folder.path());
    let password = file.add("anna", Role::Office).unwrap().expose().to_owned();
    let hash = password::hash(&Secret::new("correct horse")).unwrap();
    let current = Arc::new(CurrentPassword::new(Password::parse(&hash, "here"), None));
    let lifetimes = Lifetimes { idle: Duration::from_secs(60), longest: Duration::from_secs(60) };
    let tokens = Tokens::new(Default::default(), TokenFile::below(folder.path()));
    let door = AccessGuard::new(current, Arc::new(Accounts::new(file.clone())), tokens, lifetimes);
    let log_in = |account: &str, password: &str| door.log_in(account.to_owned(), password.to_owned(), ip(1));
    let LogIn::Opened(cookie) = log_in("anna", &password).await else { panic!("refused") };
    let headers = HeaderMap::from_iter([(
        http::header::COOKIE,
        format!("{}={cookie}", crate::request::SESSION_COOKIE).parse().unwrap(),
    )]);
    let who = door.who(&headers, ip(1), true).unwrap();
    assert_eq!(who.to_string(), "anna (office)");
    // The technician's password opens neither another account nor one that does not exist.
    assert!(matches!(log_in("anna", "correct horse").await, LogIn::Wrong(_)));
    assert!(!matches!(log_in("nobody", "correct horse").await, LogIn::Opened(_)));
    file.new_password("anna").unwrap();
    assert_eq!(door.who(&headers, ip(1), true).unwrap(), Who::Nobody, "it has another password");
}
