//! Networks that show a log-in page in the place of every server ("captive portals"): guest networks of
//! schools do, and a device at a door cannot fill such a page in.
//!
//! No sign is proof: a server may have moved, and a proxy may show its own error page. So the message says
//! what was seen, and how a person finds out.

use http::StatusCode;
use url::Url;

use crate::config::Server;
use base::failure::Fault;

/// Most characters of an address that is repeated.
const MAX_ADDRESS: usize = 200;

/// What to do, for every sign.
pub const ADVICE: &str = "open the same address in a browser on a laptop in the device's network: if a log-in page \
                          of the network appears, ask whoever looks after the network to let this device through without \
                          it, or connect the device to another network";

/// The sign by which it was noticed that something else answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// The answer says so itself (status 511).
    Told,
    /// It leads to another host: where to, without the query.
    LeadsTo(String),
    /// It is a web page, where data or a picture was expected.
    Page,
}

/// The sign in an answer of `asked`, by its status and its header `Location`.
pub fn sign(asked: &Url, status: StatusCode, location: Option<&str>) -> Option<Sign> {
    if status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED {
        return Some(Sign::Told);
    }
    let to = location.filter(|_| status.is_redirection())?;
    let target = asked.join(to).ok()?;
    let elsewhere = target.host_str() != asked.host_str();
    elsewhere
        .then(|| Sign::LeadsTo(to.split(['?', '#']).next().unwrap_or("").chars().take(MAX_ADDRESS).collect()))
}

/// Whether a body is a web page. Where data or a picture is expected, a log-in page is the usual reason.
pub fn is_page(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(4096)]).trim_start().to_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html") || start.contains("<body")
}

/// Largest part of a page that is searched.
const SEARCHED: usize = 64 * 1024;

/// Whether a web page asks for a password, as a listing of photos never does.
pub fn asks_for_a_password(page: &[u8]) -> bool {
    let page = String::from_utf8_lossy(&page[..page.len().min(SEARCHED)]).to_ascii_lowercase();
    ["type=\"password\"", "type='password'", "type=password"].iter().any(|field| page.contains(field))
}

/// What is wrong, and what to do: `url` is shown, `server` names the setting that it stands in.
pub fn fault(url: &str, sign: &Sign, server: Server) -> Fault {
    let setting = server.address();
    match sign {
        Sign::Told => Fault::new(format!(
            "this network wants a log-in before it lets the device reach {url} (511)"
        ))
        .advise(ADVICE),
        Sign::LeadsTo(to) => Fault::new(format!(
            "{url} leads to {to}, another server, as the log-in page of a network does"
        ))
        .advise(format!("{ADVICE}. If the server has moved, change {setting}")),
        Sign::Page => Fault::new(format!(
            "{url} answers with a web page in the place of what was asked for: the log-in page of the network, or an \
             error page of a server or proxy on the way"
        ))
        .advise(format!("{ADVICE}. Otherwise check {setting}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn another_host_is_a_sign_and_another_path_is_none() {
        let asked = Url::parse("http://backend.example/hook?key=s3cr3t").unwrap();
        let seen = |status: u16, to: Option<&str>| sign(&asked, StatusCode::from_u16(status).unwrap(), to);
        assert_eq!(
            seen(302, Some("http://login.example/?for=backend.example")),
            Some(Sign::LeadsTo("http://login.example/".into()))
        );
        assert_eq!(seen(302, Some("//10.0.0.1/")), Some(Sign::LeadsTo("//10.0.0.1/".into())));
        assert_eq!(seen(301, Some("/hook/")), None);
        assert_eq!(seen(301, Some("https://backend.example/hook")), None);
        assert_eq!(seen(200, Some("http://login.example/")), None);
        assert_eq!(seen(511, None), Some(Sign::Told));
    }

    #[test]
    fn pages_are_told_from_data() {
        assert!(is_page(b"\r\n<!DOCTYPE html><title>Welcome</title>"));
        assert!(is_page(b"<html lang=de>") && is_page(b"<?xml version=\"1.0\"?><body>"));
        assert!(!is_page(b"{\"success\": true}") && !is_page(b"\xff\xd8\xff\xe0") && !is_page(b""));
        assert!(
            asks_for_a_password(b"<INPUT TYPE=\"PASSWORD\">") && !asks_for_a_password(b"<a href=\"1/\">")
        );
    }

    #[test]
    fn each_sign_says_what_to_do() {
        for sign in [Sign::Told, Sign::LeadsTo("http://login.example/".into()), Sign::Page] {
            let told = fault("http://backend.example/", &sign, Server::Photos);
            assert!(told.advice.unwrap().contains("browser") && told.what.contains("backend.example"));
        }
    }
}
