//! Through an HTTP proxy: photos and the webhook, over https and http, and every way in which a proxy fails.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backend::config::{Proxy, Server, Tls, Webhook};
use backend::http::{Error as HttpError, ProxyTrouble};
use backend::sync::Error;
use backend::upload;
use base::secret::{Secret, SecretUrl};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::door::{Door, KEY, jpeg, write};
use crate::site;
use crate::site::Site;

/// A name that no machine here resolves: only the proxy knows the way.
const HOST: &str = "backend.example";

/// The first line of a request, and the password.
type Asked = (String, Option<String>);

/// A proxy that leads every name to this machine, and what it was asked: the first line, and the password.
struct TestProxy {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// How the proxy answers.
#[derive(Clone, Copy)]
enum Manner {
    /// Whoever comes.
    Open,
    /// Only with this password ("user:pass" in base64).
    Password(&'static str),
    /// To everything with this line.
    Always(&'static str),
}

impl TestProxy {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move { pass(stream, manner, &noted).await });
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<(String, Option<String>)> {
        self.asked.lock().unwrap().clone()
    }
}

async fn pass(mut client: TcpStream, manner: Manner, noted: &Mutex<Vec<(String, Option<String>)>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    let password = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
    });
    noted.lock().unwrap().push((line.clone(), password.clone()));
    let refused = match manner {
        Manner::Open => None,
        Manner::Password(right) if password.as_deref() == Some(&*format!("Basic {right}")) => None,
        Manner::Password(_) => Some("HTTP/1.1 407 Proxy Authentication Required"),
        Manner::Always(line) => Some(line),
    };
    if let Some(refused) = refused {
        let body = "<html>no</html>";
        let answer = format!("{refused}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = client.write_all(answer.as_bytes()).await;
        return;
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let port = |authority: &str| authority.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    if method == "CONNECT" {
        let mut server = TcpStream::connect(("127.0.0.1", port(target))).await.unwrap();
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    }
    // The whole address stands in the request; the server gets its path, and closes behind its answer.
    let rest = target.strip_prefix("http://").expect("the whole address");
    let (authority, path) = rest.split_once('/').unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", port(authority))).await.unwrap();
    let others = head.lines().skip(1).filter(|line| !line.to_lowercase().starts_with("proxy-"));
    let head = format!(
        "{method} /{path} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n",
        others.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\r\n")
    );
    server.write_all(head.as_bytes()).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// A backend behind a proxy: its port, its photos' folder, and what pins its certificate.
struct Behind {
    port: u16,
    _root: tempfile::TempDir,
    pin: Option<String>,
}

impl Behind {
    async fn start(encrypted: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "2110001/a.jpg", &jpeg(1));
        write(root.path(), "2110002/b.jpg", &jpeg(2));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = encrypted.then(|| site::Tls::self_signed().unwrap());
        let pin = tls.as_ref().map(|tls| tls.fingerprint());
        tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, tls));
        Self { port, _root: root, pin }
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.pin.is_some() { "https" } else { "http" };
        format!("{scheme}://{HOST}:{}{path}", self.port)
    }

    fn door(&self, proxy: &str) -> Door {
        let mut door = Door::new(&self.url(&format!("/media/students?key={KEY}")));
        door.settings.tls = self.tls(proxy);
        door
    }

    fn tls(&self, proxy: &str) -> Tls {
        let proxy = Proxy { url: Some(SecretUrl::parse(proxy).unwrap()), except: Vec::new() };
        Tls { pinned_sha256: self.pin.clone(), server: Server::Photos, proxy, ..Tls::default() }
    }
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_http_with_its_whole_address() {
    for encrypted in [true, false] {
        let behind = Behind::start(encrypted).await;
        let proxy = TestProxy::start(Manner::Open).await;
        let door = behind.door(&format!("http://{}", proxy.address));
        assert_eq!(door.sync().await.new, 2, "encrypted: {encrypted}");
        let begins = if encrypted {
            format!("CONNECT {HOST}:{} ", behind.port)
        } else {
            format!("GET http://{HOST}:{}/media/students", behind.port)
        };
        let asked = proxy.asked();
        assert!(!asked.is_empty() && asked.iter().all(|(line, _)| line.starts_with(&begins)), "{asked:?}");
        // A tunnel tells the proxy nothing but the host.
        assert_eq!(asked.iter().any(|(line, _)| line.contains(KEY)), !encrypted);
    }
}

#[tokio::test]
async fn webhook_is_reached_through_the_proxy_with_user_and_password() {
    for encrypted in [true, false] {
        let behind = Behind::start(encrypted).await;
        let proxy = TestProxy::start(Manner::Password("ZG9vcjpwQHNz")).await;
        let tls = behind.tls(&format!("http://door:p%40ss@{}", proxy.address));
        let webhook = Webhook {
            url: Some(SecretUrl::parse(&behind.url("/attendance/webhook/")).unwrap()),
            key: Some(Secret::new(KEY)),
            ..Webhook::default()
        };
        let said = upload::check_connection(&webhook, &tls).await.unwrap();
        assert!(said.contains("takes the key"), "{said}");
        assert!(proxy.asked().iter().all(|(_, password)| password.is_some()));
    }
}

#[tokio::test]
async fn proxy_that_asks_for_a_password_is_named_with_what_to_do() {
    for encrypted in [true, false] {
        let behind = Behind::start(encrypted).await;
        let proxy = TestProxy::start(Manner::Password("ZG9vcjpwQHNz")).await;
        for (user, trouble, words) in [
            ("", ProxyTrouble::AsksForPassword, "network.proxy: http://USER:PASSWORD@"),
            ("door:wr0ng-s3cr3t@", ProxyTrouble::RefusesPassword, "refuses the user or the password"),
        ] {
            let door = behind.door(&format!("http://{user}{}", proxy.address));
            let error = door.try_sync().await.unwrap_err();
            let text = error.to_string();
            assert!(
                matches!(&error, Error::Http(HttpError::Proxy { trouble: found, .. }) if *found == trouble),
                "encrypted {encrypted}: {error:?}"
            );
            assert!(text.contains(words) && text.contains("407") && !text.contains("s3cr3t"), "{text}");
        }
        // Asking again does not help, so each was asked once.
        assert_eq!(proxy.asked().len(), 2);
    }
}

#[tokio::test]
async fn proxy_that_is_gone_refuses_or_is_none_is_told_apart_from_the_server() {
    let behind = Behind::start(true).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let error = behind.door(&format!("http://{gone}")).try_sync().await.unwrap_err();
    assert!(
        matches!(&error, Error::Http(HttpError::Proxy { trouble: ProxyTrouble::Gone(_), proxy, .. }) if proxy.contains(&gone)),
        "{error:?}"
    );
    assert!(error.to_string().contains("network.proxy"), "{error}");
    for (line, told) in [
        ("HTTP/1.1 403 Forbidden", "network.no_proxy"),
        ("HTTP/1.1 502 Bad Gateway", "502"),
        ("SSH-2.0-dropbear", "does not answer as an HTTP proxy"),
    ] {
        let proxy = TestProxy::start(Manner::Always(line)).await;
        let error = behind.door(&format!("http://{}", proxy.address)).try_sync().await.unwrap_err();
        assert!(matches!(&error, Error::Http(HttpError::Proxy { .. })), "{line}: {error:?}");
        assert!(error.to_string().contains(told), "{line}: {error}");
    }
}

#[tokio::test]
async fn exceptions_are_asked_directly() {
    let behind = Behind::start(false).await;
    let proxy = TestProxy::start(Manner::Always("HTTP/1.1 502 Bad Gateway")).await;
    let mut door = behind.door(&format!("http://{}", proxy.address));
    // The device itself, whatever is set.
    let here = format!("http://127.0.0.1:{}/media/students?key={KEY}", behind.port);
    door.settings.photos.url = Some(SecretUrl::parse(&here).unwrap());
    assert_eq!(door.sync().await.new, 2);
    assert!(proxy.asked().is_empty());
}

/// A program, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn tinyproxy() {
    let program = "/usr/bin/tinyproxy";
    if !Path::new(program).exists() {
        skipped::skipped("tinyproxy (Debian package tinyproxy-bin)");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = work.path().join("tinyproxy.conf");
    let text = format!("Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 10\nBasicAuth door s3cr3t\n");
    std::fs::write(&settings, text).unwrap();
    let running =
        Command::new(program).arg("-d").arg("-c").arg(&settings).stdout(Stdio::null()).spawn().unwrap();
    let _running = Running(running);
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for encrypted in [true, false] {
        let behind = Behind::start(encrypted).await;
        // "Any address" leads to this machine, and is not one of the addresses that are asked directly.
        let url = behind.url(&format!("/media/students?key={KEY}")).replace(HOST, "0.0.0.0");
        let mut door = behind.door(&format!("http://door:s3cr3t@127.0.0.1:{port}"));
        door.settings.photos.url = Some(SecretUrl::parse(&url).unwrap());
        assert_eq!(door.sync().await.new, 2, "encrypted: {encrypted}");
        let mut door = behind.door(&format!("http://127.0.0.1:{port}"));
        door.settings.photos.url = Some(SecretUrl::parse(&url).unwrap());
        let error = door.try_sync().await.unwrap_err();
        assert!(
            matches!(&error, Error::Http(HttpError::Proxy { trouble: ProxyTrouble::AsksForPassword, .. })),
            "encrypted {encrypted}: {error:?}"
        );
    }
}
