//! The file browser: listings as Django's static view writes them, files with ETag and Last-Modified.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use time::OffsetDateTime;
use time::macros::format_description;

use super::{Body, full, text};

/// What Django's `urlencode` leaves as it is.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A folder of photos, read again for every request.
pub struct Browser {
    folder: Dir,
}

impl Browser {
    /// Serves `folder`; nothing outside of it can be reached.
    pub fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self { folder: Dir::open_ambient_dir(folder, ambient_authority())? })
    }

    /// The names of the folders: the students.
    pub fn students(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.folder.entries()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    /// Answers a request for `path` below the base.
    pub fn answer<T>(&self, path: &str, request: &Request<T>) -> Response<Body> {
        match self.find(path, request) {
            Ok(response) => response,
            Err(_) => text(StatusCode::NOT_FOUND, "text/html", "<h1>Not Found</h1>"),
        }
    }

    fn find<T>(&self, path: &str, request: &Request<T>) -> io::Result<Response<Body>> {
        let decoded = percent_decode_str(path.trim_matches('/')).decode_utf8_lossy().into_owned();
        let place = if decoded.is_empty() { "." } else { decoded.as_str() };
        let metadata = self.folder.metadata(place)?;
        if !metadata.is_dir() {
            return self.file(place, &metadata, request);
        }
        if path.ends_with('/') {
            return Ok(text(StatusCode::OK, "text/html; charset=utf-8", self.listing(place, &decoded)?));
        }
        let mut response = text(StatusCode::MOVED_PERMANENTLY, "text/html", "moved");
        let target = format!("{}/?{}", request.uri().path(), request.uri().query().unwrap_or(""));
        let location = HeaderValue::from_str(&target).map_err(io::Error::other)?;
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }

    fn file<T>(&self, place: &str, metadata: &Metadata, request: &Request<T>) -> io::Result<Response<Body>> {
        let modified = metadata.modified()?.into_std();
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let etag = format!("\"{:x}-{:x}\"", since.as_nanos(), metadata.len());
        let stamp = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let stamp = OffsetDateTime::from(modified).format(stamp).map_err(io::Error::other)?;
        let asked = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let unchanged = match asked(header::IF_NONE_MATCH) {
            Some(known) => known == etag,
            None => asked(header::IF_MODIFIED_SINCE) == Some(&stamp),
        };
        let mut response = if unchanged {
            let mut response = Response::new(full(bytes::Bytes::new()));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut content = Vec::new();
            self.folder.open(place)?.read_to_end(&mut content)?;
            let mut response = Response::new(full(content.into()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
            response
        };
        for (name, value) in [(header::ETAG, etag), (header::LAST_MODIFIED, stamp)] {
            response.headers_mut().insert(name, HeaderValue::from_str(&value).map_err(io::Error::other)?);
        }
        Ok(response)
    }

    fn listing(&self, place: &str, shown: &str) -> io::Result<String> {
        let mut page = format!(
            "<!DOCTYPE html>\n<title>Index of {0}</title>\n<h1>Index of {0}</h1>\n<ul>\n",
            escaped(shown)
        );
        if !shown.is_empty() {
            page += "<li><a href=\"../\">../</a></li>\n";
        }
        for entry in self.folder.read_dir(place)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
            let link = utf8_percent_encode(&name, NAME);
            page += &format!("<li><a href=\"{link}{slash}\">{}{slash}</a></li>\n", escaped(&name));
        }
        Ok(page + "</ul>\n")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
