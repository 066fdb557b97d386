//! A backend to try the appliance against: a file browser with students' photos, and the daily webhook.
//!
//! Both are real servers that ask for their key, over HTTP or HTTPS, and listen on loopback only.
//! `--photos-fault` and `--webhook-fault` make them behave badly: `500` (any status), `html`, `empty`,
//! `slow=SECONDS`, `hang`, `reset` (in the middle of the answer) or `gone` (no answer), for every request, or
//! for every third with `500/3`.
#![allow(clippy::print_stdout)]

mod site;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use site::{Fault, Site, Tls};

/// A file browser and a webhook on loopback, to try the appliance against.
#[derive(Parser)]
struct Arguments {
    /// Folder of photos, <roll>/<file>; its folders are also the students that the webhook knows.
    #[arg(long)]
    photos: PathBuf,
    /// The key that both ask for.
    #[arg(long)]
    key: String,
    /// Port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serve HTTPS with a self-signed certificate made at start.
    #[arg(long)]
    tls: bool,
    /// File to write photos_url, webhook_url, rows_url and with --tls fingerprint into, one NAME=VALUE a
    /// line.
    #[arg(long)]
    urls_file: Option<PathBuf>,
    /// How the file browser misbehaves.
    #[arg(long)]
    photos_fault: Option<Fault>,
    /// How the webhook misbehaves.
    #[arg(long)]
    webhook_fault: Option<Fault>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let tls = arguments.tls.then(Tls::self_signed).transpose()?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port))
        .await
        .with_context(|| format!("port {} of loopback is taken", arguments.port))?;
    let site = Site::new(&arguments.photos, &arguments.key)
        .with_context(|| format!("cannot read the photos in {}", arguments.photos.display()))?;
    site.misbehave(arguments.photos_fault, arguments.webhook_fault);

    let origin = site::origin(&listener, tls.is_some())?;
    let key = &arguments.key;
    let mut urls = format!(
        "photos_url='{origin}/media/students?key={key}'\nwebhook_url='{origin}/attendance/webhook/'\n\
         rows_url='{origin}/attendance/webhook/rows/?key={key}'\n"
    );
    if let Some(tls) = &tls {
        urls += &format!("fingerprint='{}'\n", tls.fingerprint());
    }
    print!("{urls}");
    if let Some(path) = &arguments.urls_file {
        // Whoever waits for the file must not see half of it.
        let part = path.with_extension("part");
        std::fs::write(&part, &urls)
            .and_then(|()| std::fs::rename(&part, path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut end = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        () = site.serve(listener, tls) => {}
        _ = end.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
