//! Every address the server answers, who may use it, and what it is for. The OpenAPI document is made from
//! this table.

use http::Method;

/// Who may use an address, beside the role that [`super::rights`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody on the network.
    Open,
    /// Everybody whose role suffices, and tokens of both kinds.
    Read,
    /// Everybody whose role suffices (log-ins with the CSRF token), and full tokens.
    Full,
    /// Everybody whose role suffices; no token that only says `read` or `full`.
    Page,
    /// The same, log-ins with the CSRF token.
    PageChange,
    /// Persons whose role suffices; no token. Faces and settings are shown to nobody else.
    Person,
    /// The same, with the CSRF token.
    PersonChange,
}

/// What an address does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Health,
    LogInPage,
    LogIn,
    LogOut,
    Root,
    Script,
    Icon,
    Status,
    Today,
    Day,
    DayCsv,
    SystemHealth,
    Logs,
    Roster,
    Metrics,
    Events,
    Diagnostics,
    Docs,
    OpenApi,
    Sync,
    ConfirmRemoval,
    ConfirmTime,
    Upload,
    TestPhotos,
    TestWebhook,
    Retry,
    RetryAll,
    Dismiss,
    Restart,
    CloseDay,
    AddRow,
    ChangeRow,
    VoidRow,
    PlaceRow,
    ReceiveUpdate,
    InstallUpdate,
    TryUpdate,
    CheckUpdates,
    GoBack,
    AcknowledgeUpdate,
    Act,
    Preview,
    Evidence,
    DoorPage,
    DoorPicture,
    Accounts,
    ChangeAccounts,
    Settings,
    ReviewSettings,
    SaveSettings,
    PutBackSettings,
    KeepSettings,
    Range,
    Sheet,
    StudentPage,
    PhotosPage,
    TakeStudents,
    EnrolPage,
    EnrolPicture,
    Enrol,
    DevicePage,
    Erasures,
    EraseStudent,
    LiftErasure,
    ArchivePage,
    Export,
    Import,
    FactoryReset,
    RecoveryKeyWritten,
    Licences,
}

/// One address.
pub(super) struct Route {
    pub(super) method: Method,
    /// The path; `{name}` stands for a part that varies.
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) endpoint: Endpoint,
    /// One line for the documentation; empty for what only the page uses.
    pub(super) summary: &'static str,
}

const fn get(path: &'static str, access: Access, endpoint: Endpoint, summary: &'static str) -> Route {
    Route { method: Method::GET, path, access, endpoint, summary }
}

const fn post(path: &'static str, access: Access, endpoint: Endpoint, summary: &'static str) -> Route {
    Route { method: Method::POST, path, access, endpoint, summary }
}

/// The addresses, in the order of the documentation. A fixed path stands before one with a varying part.
pub(super) static ROUTES: &[Route] = &[
    get("/", Access::Read, Endpoint::Root, "The service in short; the page, for browsers"),
    get("/status", Access::Read, Endpoint::Status, "Server, recognition, today's attendance and workers"),
    get("/attendance/today", Access::Read, Endpoint::Today, "Today's rows"),
    get("/attendance/health", Access::Read, Endpoint::SystemHealth, "Whether recognition runs"),
    post("/attendance/restart", Access::Full, Endpoint::Restart, "Stop and start camera and recognition"),
    post(
        "/attendance/close",
        Access::Full,
        Endpoint::CloseDay,
        "Close today's attendance: every open OUT becomes a row and is delivered",
    ),
    post("/attendance/add", Access::PageChange, Endpoint::AddRow, "Add a row by hand"),
    post(
        "/attendance/change/{row}",
        Access::PageChange,
        Endpoint::ChangeRow,
        "Change the time of a row by hand",
    ),
    post(
        "/attendance/void/{row}",
        Access::PageChange,
        Endpoint::VoidRow,
        "Take a row away by hand: the visit that it was made from counts for nothing",
    ),
    post(
        "/attendance/day/{row}",
        Access::PageChange,
        Endpoint::PlaceRow,
        "Say on which day a row was seen whose day is not known",
    ),
    get("/attendance/{date}.csv", Access::Read, Endpoint::DayCsv, "One day's rows as CSV"),
    get("/attendance/{date}", Access::Read, Endpoint::Day, "One day's rows"),
    get(
        "/roster",
        Access::Read,
        Endpoint::Roster,
        "Who is enrolled from which photos, and which photos are wrong",
    ),
    get(
        "/students/erasures",
        Access::Page,
        Endpoint::Erasures,
        "Which erasures of students there are; not whom they mean",
    ),
    post(
        "/students/{roll}/erase",
        Access::PageChange,
        Endpoint::EraseStudent,
        "Erase everything of a student, rows included, at every door of the school",
    ),
    post(
        "/students/erasures/{id}/lift",
        Access::PageChange,
        Endpoint::LiftErasure,
        "Lift an erasure: the next synchronisation and list may bring the student back",
    ),
    post("/sync/manual", Access::Full, Endpoint::Sync, "Mirror and enrol the photos now"),
    post(
        "/sync/confirm-removal",
        Access::Full,
        Endpoint::ConfirmRemoval,
        "Believe a listing that removes many students",
    ),
    post(
        "/sync/test",
        Access::Full,
        Endpoint::TestPhotos,
        "Ask the photo server whether it answers and takes the key",
    ),
    post("/clock/confirm", Access::Full, Endpoint::ConfirmTime, "Believe the clock that is in doubt"),
    post("/upload/manual", Access::Full, Endpoint::Upload, "Deliver waiting rows now"),
    post(
        "/upload/test",
        Access::Full,
        Endpoint::TestWebhook,
        "Ask the webhook whether it answers and takes the key; sends no row",
    ),
    post("/upload/retry/{row}", Access::Full, Endpoint::Retry, "Try a refused row again"),
    post("/upload/retry-all", Access::Full, Endpoint::RetryAll, "Try every refused row again"),
    post(
        "/upload/dismiss/{row}",
        Access::Full,
        Endpoint::Dismiss,
        "Give a refused row up: it is never delivered, and stays in the day's file",
    ),
    post(
        "/update/bundle",
        Access::Full,
        Endpoint::ReceiveUpdate,
        "Send an update bundle, which is installed into the other slot",
    ),
    post("/update/install", Access::Full, Endpoint::InstallUpdate, "Install the update at an address"),
    post("/update/try", Access::Full, Endpoint::TryUpdate, "Restart into the installed update, on trial"),
    post("/update/check", Access::Full, Endpoint::CheckUpdates, "Ask now whether there is an update"),
    post("/update/go-back", Access::Full, Endpoint::GoBack, "Restart into the other system, on trial"),
    post(
        "/update/acknowledge",
        Access::Full,
        Endpoint::AcknowledgeUpdate,
        "Say that it is known that the last update was rolled back",
    ),
    post(
        "/archive/export",
        Access::PageChange,
        Endpoint::Export,
        "All that this device knows, as one encrypted file (age, with a passphrase)",
    ),
    post(
        "/archive/import",
        Access::PageChange,
        Endpoint::Import,
        "Take over such a file: it is checked, and the appliance restarts with it",
    ),
    get("/events", Access::Read, Endpoint::Events, "What happens, as server-sent events"),
    get("/logs/server", Access::Read, Endpoint::Logs, "The newest lines of the log"),
    get("/metrics", Access::Read, Endpoint::Metrics, "Numbers for Prometheus"),
    get(
        "/diagnostics",
        Access::Read,
        Endpoint::Diagnostics,
        "A bundle for support: no faces, no secrets, no attendance",
    ),
    get("/docs", Access::Read, Endpoint::Docs, "This documentation as a page"),
    get("/openapi.json", Access::Read, Endpoint::OpenApi, "This documentation as OpenAPI 3.1"),
    get(
        "/healthz",
        Access::Open,
        Endpoint::Health,
        "200 when the machine does its work, else 503; with a token also what is wrong",
    ),
    get("/login", Access::Open, Endpoint::LogInPage, ""),
    post("/login", Access::Open, Endpoint::LogIn, ""),
    post("/logout", Access::PageChange, Endpoint::LogOut, ""),
    get("/page.js", Access::Page, Endpoint::Script, ""),
    get("/icon.svg", Access::Page, Endpoint::Icon, ""),
    post("/do/{action}", Access::PageChange, Endpoint::Act, ""),
    get("/preview.svg", Access::Person, Endpoint::Preview, ""),
    get("/roster/picture.svg", Access::Person, Endpoint::Evidence, ""),
    get("/door", Access::Person, Endpoint::DoorPage, ""),
    get("/door.jpg", Access::Person, Endpoint::DoorPicture, ""),
    get("/accounts", Access::Person, Endpoint::Accounts, ""),
    post("/accounts/{change}", Access::PersonChange, Endpoint::ChangeAccounts, ""),
    get("/settings", Access::Person, Endpoint::Settings, ""),
    post("/settings/review", Access::PersonChange, Endpoint::ReviewSettings, ""),
    post("/settings/save", Access::PersonChange, Endpoint::SaveSettings, ""),
    post("/settings/put-back", Access::PersonChange, Endpoint::PutBackSettings, ""),
    post("/settings/keep", Access::PersonChange, Endpoint::KeepSettings, ""),
    get("/range", Access::Page, Endpoint::Range, ""),
    get("/sheets/{sheet}", Access::Page, Endpoint::Sheet, ""),
    get("/student/{roll}", Access::Page, Endpoint::StudentPage, ""),
    get("/photos", Access::Page, Endpoint::PhotosPage, ""),
    post("/students", Access::PageChange, Endpoint::TakeStudents, ""),
    get("/enrol", Access::Person, Endpoint::EnrolPage, ""),
    get("/enrol/{picture}.jpg", Access::Person, Endpoint::EnrolPicture, ""),
    post("/enrol/{change}", Access::PersonChange, Endpoint::Enrol, ""),
    get("/device", Access::Page, Endpoint::DevicePage, ""),
    get("/licences", Access::Page, Endpoint::Licences, ""),
    get("/archive", Access::Page, Endpoint::ArchivePage, ""),
    post("/archive/reset", Access::PersonChange, Endpoint::FactoryReset, ""),
    post("/archive/recovery-key", Access::PersonChange, Endpoint::RecoveryKeyWritten, ""),
];

/// Every address the server answers: its method, and its path with `{name}` for a part that varies.
pub fn addresses() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.iter().map(|route| (route.method.as_str(), route.path))
}

/// What a path leads to.
pub(super) enum Found<'a> {
    /// A route, and the varying part of its path.
    Route(&'static Route, Option<&'a str>),
    /// The path exists for these methods only.
    OtherMethods(Vec<&'static str>),
    /// Nothing.
    Nothing,
}

/// Looks a request up.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let mut others = Vec::new();
    let mut fixed_found = false;
    for route in ROUTES {
        let Some(part) = matches(route.path, path) else { continue };
        // `/attendance/today` is fixed: no other method on it may fall through to `/attendance/{date}`.
        if part.is_some() && fixed_found {
            continue;
        }
        if route.method == *wanted {
            return Found::Route(route, part);
        }
        fixed_found |= part.is_none();
        others.push(if route.method == Method::GET { "GET, HEAD" } else { "POST" });
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

/// Whether `path` has the form `pattern`, and its varying part: one segment, not empty.
fn matches<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    let Some((before, rest)) = pattern.split_once('{') else { return (pattern == path).then_some(None) };
    let (_, after) = rest.split_once('}')?;
    let part = path.strip_prefix(before)?.strip_suffix(after)?;
    (!part.is_empty() && !part.contains('/')).then_some(Some(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint(method: &Method, path: &str) -> Option<(Endpoint, Option<String>)> {
        match find(method, path) {
            Found::Route(route, part) => Some((route.endpoint, part.map(str::to_owned))),
            _ => None,
        }
    }

    #[test]
    fn paths_lead_where_they_say() {
        let day = Some("2025-01-15".to_owned());
        assert_eq!(endpoint(&Method::GET, "/attendance/2025-01-15"), Some((Endpoint::Day, day.clone())));
        assert_eq!(endpoint(&Method::GET, "/attendance/2025-01-15.csv"), Some((Endpoint::DayCsv, day)));
        assert_eq!(endpoint(&Method::GET, "/attendance/today"), Some((Endpoint::Today, None)));
        assert_eq!(endpoint(&Method::HEAD, "/status"), Some((Endpoint::Status, None)));
        for nothing in [
            "",
            "//",
            "/status/",
            "/attendance/",
            "/attendance/a/b",
            "/../status",
            "/STATUS",
            "/upload/retry/",
        ] {
            assert!(matches!(find(&Method::GET, nothing), Found::Nothing), "{nothing}");
        }
    }

    #[test]
    fn other_methods_are_told_which_there_are() {
        for (method, path, allowed) in [
            (Method::DELETE, "/status", "GET, HEAD"),
            (Method::GET, "/sync/manual", "POST"),
            (Method::GET, "/attendance/restart", "POST"),
        ] {
            assert!(
                matches!(find(&method, path), Found::OtherMethods(ref found) if found == &[allowed]),
                "{path}"
            );
        }
        assert!(matches!(find(&Method::PUT, "/login"), Found::OtherMethods(found) if found.len() == 2));
    }

    #[test]
    fn only_health_and_log_in_are_open() {
        let open: Vec<_> = ROUTES.iter().filter(|r| r.access == Access::Open).map(|r| r.path).collect();
        assert_eq!(open, ["/healthz", "/login", "/login"]);
        for route in ROUTES {
            let changes = matches!(route.access, Access::Full | Access::PageChange | Access::PersonChange);
            assert_eq!(
                route.method == Method::POST,
                changes || route.endpoint == Endpoint::LogIn,
                "{}",
                route.path
            );
        }
    }

    proptest! {
        #[test]
        fn any_path_is_looked_up_without_panic(path in "(/|[a-z0-9.%{}-]|attendance|\\PC){0,12}") {
            if let Found::Route(_, Some(part)) = find(&Method::GET, &path) {
                prop_assert!(!part.is_empty() && !part.contains('/'));
            }
        }
    }
}
