//! Roles: every address tried by everybody, and accounts made, used and removed on the page.

use access::account::AccountFile;
use access::role::Role;
use access::token::TokenFile;

use crate::client::As;
use crate::device::Device;

/// Addresses that a role must not reach.
const TECHNICIANS: &[&str] = &[
    "/archive/recovery-key",
    "/archive/reset",
    "/archive",
    "/archive/export",
    "/archive/import",
    "/settings",
    "/settings/save",
    "/update/check",
    "/update/go-back",
    "/accounts",
    "/logs/server",
    "/diagnostics",
    "/preview.svg",
    "/door",
    "/door.jpg",
    "/accounts/{change}",
    "/attendance/restart",
    "/clock/confirm",
    "/update/install",
    "/update/bundle",
    "/upload/test",
];
/// What no token sees.
const FACES: &[&str] = &[
    "/archive/recovery-key",
    "/archive/reset",
    "/enrol",
    "/enrol/{picture}.jpg",
    "/enrol/{change}",
    "/accounts",
    "/accounts/{change}",
    "/preview.svg",
    "/roster/picture.svg",
    "/door",
    "/door.jpg",
    "/settings",
    "/settings/review",
    "/settings/save",
    "/settings/put-back",
    "/settings/keep",
];
const OFFICES: &[&str] = &[
    "/attendance/add",
    "/attendance/change/{row}",
    "/attendance/void/{row}",
    "/attendance/day/{row}",
    "/enrol",
    "/enrol/{picture}.jpg",
    "/enrol/{change}",
    "/photos",
    "/students",
    "/device",
    "/roster",
    "/roster/picture.svg",
    "/sync/manual",
    "/sync/confirm-removal",
    "/attendance/close",
    "/upload/manual",
    "/upload/retry-all",
    "/upload/dismiss/{row}",
    "/students/erasures",
    "/students/{roll}/erase",
    "/students/erasures/{id}/lift",
];

fn log_in(device: &Device, account: &str, password: &str) -> As {
    let form = format!("account={account}&password={password}");
    let answer = device.post("/login", &As::default(), &form);
    assert_eq!(answer.status, 303, "{}", answer.text());
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let who = As::default().with("Cookie", &cookie);
    let page = device.get("/", &who.clone().with("Accept", "text/html")).text();
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    who.with("X-CSRF-Token", csrf)
}

#[test]
fn every_address_is_closed_to_a_role_that_does_not_suffice() {
    let device = Device::start();
    let file = AccountFile::below(device.path());
    let tokens = TokenFile::below(device.path());
    for role in Role::ALL {
        let password = file.add(role.as_str(), role);
        let who = match &password {
            Ok(password) => log_in(&device, role.as_str(), password.expose()),
            // The technician's account is there already.
            Err(_) => device.log_in(),
        };
        let token = As::token(&tokens.add(role.as_str(), role.into()).unwrap());
        for (method, path) in status::addresses() {
            // What ends the log-in, and what never ends without being asked.
            if ["/logout", "/events", "/login"].contains(&path) {
                continue;
            }
            let address = path.replace("{date}", "2025-01-15").replace("{row}", "x").replace("{change}", "x");
            let address = address.replace("{picture}", "1");
            let address = address.replace("{action}", "sync");
            let closed = TECHNICIANS.contains(&path) && role < Role::Technician
                || (OFFICES.contains(&path) || path == "/do/{action}") && role < Role::Office;
            for (kind, who) in [("log-in", &who), ("token", &token)] {
                let status = device.send(method, &address, who, "").status;
                if closed || (kind == "token" && FACES.contains(&path)) {
                    assert_eq!(status, 403, "{kind} of {role}: {method} {path}");
                } else if OFFICES.contains(&path) || role == Role::Technician {
                    assert!(![401, 403].contains(&status), "{kind} of {role}: {method} {path} gave {status}");
                }
            }
        }
    }
}

#[test]
fn the_page_shows_a_role_only_what_it_may_use() {
    let device = Device::start();
    let file = AccountFile::below(device.path());
    let page = |role: Role, path: &str| {
        let password = file
            .new_password(&format!("a-{role}"))
            .or_else(|_| file.add(&format!("a-{role}"), role))
            .unwrap();
        let who = log_in(&device, &format!("a-{role}"), password.expose());
        device.get(path, &who.with("Accept", "text/html")).text()
    };
    let viewer = page(Role::Viewer, "/");
    assert!(viewer.contains("id=\"rows\"") && !viewer.contains("data-act"), "a viewer can press nothing");
    assert!(!viewer.contains("href=\"/device\"") && !viewer.contains("href=\"/door\""));
    assert!(page(Role::Viewer, "/device").contains("Your account may not see this"));
    let office = page(Role::Office, "/device");
    assert!(office.contains("do-sync") && !office.contains("do-restart") && !office.contains("id=\"log\""));
    let technician = page(Role::Technician, "/device");
    for everything in ["do-sync", "do-restart", "id=\"log\"", "/accounts", "bundle-form", "href=\"/door\""] {
        assert!(technician.contains(everything), "{everything}");
    }
    let hidden = device.get("/accounts", &As::default().with("Accept", "text/html"));
    assert_eq!(hidden.status, 303, "who is not logged in is led to the log-in");
}

#[test]
fn an_account_is_made_on_the_page_and_its_password_is_shown_once() {
    let device = Device::start();
    let technician = device.log_in();
    let made = device.post("/accounts/add", &technician, "name=anna&role=office").text();
    let password =
        made.split("<p class=\"password\"><code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(!device.get("/accounts", &technician).text().contains(&password));
    let anna = log_in(&device, "anna", &password);
    assert_eq!(device.get("/roster", &anna).status, 200);
    assert!(device.post("/accounts/add", &technician, "name=anna&role=viewer").text().contains("already"));
    assert_eq!(device.post("/accounts/add", &technician, "name=ben&role=king").status, 400);
    device.post("/accounts/remove", &technician, "name=anna");
    assert_eq!(device.get("/roster", &anna).status, 401, "the log-in ended with the account");
    assert_eq!(device.post("/accounts/add", &As::default(), "name=eve&role=technician").status, 401);
    let without_csrf = As { headers: technician.headers[..1].to_vec() };
    assert_eq!(device.post("/accounts/add", &without_csrf, "name=eve&role=technician").status, 403);
}
