//! API tokens: for scripts and monitoring, named, revocable, stored as hashes.
//!
//! A token is 256 random bits, so a plain SHA-256 is enough to store it by. Tokens stand in the configuration
//! (`page.tokens`) or are managed by `attendance token`, in a file that is read again whenever it changes: a
//! revoked token is refused at once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use argon2::password_hash::rand_core::{OsRng, RngCore};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::audit::AUDIT;
use super::private_file;
use super::private_list::{Entries, ListError, is_name, shortened};
use super::role::Role;
use base::hexadecimal::hexadecimal;
use base::secret::Secret;

/// Begins every token, so that a secret scanner finds one that was committed by mistake.
const PREFIX: &str = "attendance_";

/// Most tokens kept: each costs a comparison a request.
const MOST: usize = 64;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenAccess {
    /// Look.
    Read,
    /// Look, and ask for actions.
    Full,
    /// What an account with the role `viewer` may do.
    Viewer,
    /// What an account with the role `office` may do.
    Office,
    /// What an account with the role `technician` may do.
    Technician,
}

impl TokenAccess {
    /// The role it names; none for `read` and `full`, which have rights of their own.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Read | Self::Full => None,
            Self::Viewer => Some(Role::Viewer),
            Self::Office => Some(Role::Office),
            Self::Technician => Some(Role::Technician),
        }
    }

    /// As the configuration and `attendance token list` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Full => "full",
            Self::Viewer | Self::Office | Self::Technician => self.role().map_or("", Role::as_str),
        }
    }
}

impl From<Role> for TokenAccess {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Office => Self::Office,
            Role::Technician => Self::Technician,
        }
    }
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredToken {
    /// Who uses it: letters, digits, `-`, `_` and `.`, at most 40.
    pub name: String,
    /// What it may do: "read", "full", or what a role may: "viewer", "office" or "technician".
    pub access: TokenAccess,
    /// SHA-256 of the token, 64 hexadecimal digits.
    pub sha256: String,
}

/// Why the tokens could not be changed or read.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: io::Error,
    },
    /// The file is damaged.
    #[error("{} is not a list of tokens ({reason}); remove it and add the tokens again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The name cannot be used.
    #[error("{name:?} is not a name for a token; use 1 to 40 letters, digits, '-', '_' or '.'")]
    Name {
        /// The name.
        name: String,
    },
    /// There is one of that name already.
    #[error("there is a token {name:?} already; revoke it first, or choose another name")]
    Taken {
        /// The name.
        name: String,
    },
    /// There is none of that name.
    #[error("there is no token {name:?}; `attendance token list` shows them")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The list is full.
    #[error("there are {MOST} tokens, which is the most; revoke one first")]
    Full,
}

/// 256 random bits as text, safe in headers, cookies and forms.
pub fn random_text() -> String {
    let mut random = [0_u8; 32];
    OsRng.fill_bytes(&mut random);
    URL_SAFE_NO_PAD.encode(random)
}

/// SHA-256 of a secret with 256 bits of its own.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The file of tokens, for `attendance token`.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// The tokens below the data folder.
    pub fn below(data_dir: &Path) -> Self {
        Self { path: data_dir.join("page/tokens.json") }
    }

    /// Every token, without its value, which nobody knows any more.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn list(&self) -> Result<Vec<StoredToken>, TokenError> {
        Ok(self.read()?.known)
    }

    /// An entry of a later version may say that less is allowed than this version would allow.
    fn read(&self) -> Result<Entries<StoredToken>, TokenError> {
        Entries::read(&self.path, |_| true).map_err(|error| self.failed(error))
    }

    /// Makes a token and keeps its hash. The value is returned once, to be shown once.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn add(&self, name: &str, access: TokenAccess) -> Result<Secret, TokenError> {
        if !is_name(name) {
            return Err(TokenError::Name { name: shortened(name) });
        }
        let mut tokens = self.read()?;
        if tokens.known.iter().any(|token| token.name == name) {
            return Err(TokenError::Taken { name: name.to_owned() });
        }
        if tokens.count() >= MOST {
            return Err(TokenError::Full);
        }
        let value = format!("{PREFIX}{}", random_text());
        tokens.known.push(StoredToken {
            name: name.to_owned(),
            access,
            sha256: hexadecimal(&digest(&value)),
        });
        self.store(&tokens)?;
        Ok(Secret::new(value))
    }

    /// Removes a token; the running server refuses it from the next request on.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let mut tokens = self.read()?;
        let before = tokens.count();
        tokens.known.retain(|token| token.name != name);
        if tokens.count() == before {
            return Err(TokenError::Unknown { name: shortened(name) });
        }
        self.store(&tokens)
    }

    fn store(&self, tokens: &Entries<StoredToken>) -> Result<(), TokenError> {
        tokens.write(&self.path).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ListError) -> TokenError {
        let path = self.path.clone();
        match error {
            ListError::File(source) => TokenError::File { path, source },
            ListError::Damaged(reason) => TokenError::Damaged { path, reason },
        }
    }
}

/// The tokens the server knows at this moment.
pub struct Tokens {
    configured: Vec<StoredToken>,
    file: TokenFile,
    kept: Mutex<Kept>,
}

struct Kept {
    version: Option<(u64, i64, i64)>,
    tokens: Vec<StoredToken>,
}

impl Tokens {
    /// The tokens of the configuration, and those of the file.
    pub fn new(configured: Vec<StoredToken>, file: TokenFile) -> Self {
        let tokens = Self { configured, file, kept: Mutex::new(Kept { version: None, tokens: Vec::new() }) };
        drop(tokens.follow());
        tokens
    }

    /// The name and the access of the token whose value is `value`. Every stored token is compared, in
    /// constant time, so that the answer's time says nothing about them.
    pub fn find(&self, value: &str) -> Option<(String, TokenAccess)> {
        let wanted = hexadecimal(&digest(value));
        let kept = self.follow();
        let mut found = None;
        for token in self.configured.iter().chain(&kept.tokens) {
            if token.sha256.to_ascii_lowercase().as_bytes().ct_eq(wanted.as_bytes()).into() {
                found = Some((token.name.clone(), token.access));
            }
        }
        found
    }

    /// Reads the file again if it changed. A file that cannot be read grants nothing.
    fn follow(&self) -> std::sync::MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let version = private_file::version(&self.file.path);
        if version != kept.version {
            kept.version = version;
            kept.tokens = match self.file.list() {
                Ok(tokens) => {
                    let names: Vec<_> = tokens.iter().map(|token| token.name.as_str()).collect();
                    log::info!(target: AUDIT, "tokens of the file from now on: {}", names.join(", "));
                    tokens
                }
                Err(error) => {
                    log::error!("no token of the file is accepted: {error}");
                    Vec::new()
                }
            };
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_works_until_it_is_revoked_and_is_stored_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::below(folder.path());
        let tokens = Tokens::new(Vec::new(), file.clone());
        assert_eq!(tokens.find(""), None);
        let value = file.add("monitoring", TokenAccess::Read).unwrap();
        assert_eq!(tokens.find(value.expose()), Some(("monitoring".to_owned(), TokenAccess::Read)));
        assert!(!std::fs::read_to_string(&file.path).unwrap().contains(value.expose()));
        assert!(matches!(file.add("monitoring", TokenAccess::Full), Err(TokenError::Taken { .. })));
        file.revoke("monitoring").unwrap();
        assert_eq!(tokens.find(value.expose()), None);
        assert!(matches!(file.revoke("monitoring"), Err(TokenError::Unknown { .. })));
    }

    #[test]
    fn a_later_versions_token_is_no_use_here_and_is_kept_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::below(folder.path());
        let old = file.add("old", TokenAccess::Read).unwrap();
        let later =
            std::fs::read_to_string(&file.path).unwrap().replace("\"read\"", "\"read\", \"until\": 1");
        private_file::write(&file.path, later.as_bytes()).unwrap();
        let tokens = Tokens::new(Vec::new(), file.clone());
        assert_eq!(tokens.find(old.expose()), None, "what limits it is not understood");
        let new = file.add("new", TokenAccess::Full).unwrap();
        file.revoke("new").unwrap();
        assert_eq!(tokens.find(new.expose()), None);
        let kept = std::fs::read_to_string(&file.path).unwrap();
        assert!(kept.contains("\"until\": 1") && kept.contains("\"old\""), "{kept}");
    }

    #[test]
    fn names_are_plain_and_a_damaged_file_grants_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::below(folder.path());
        for bad in ["", "a b", "a\nb", "é", &"x".repeat(41)] {
            assert!(matches!(file.add(bad, TokenAccess::Read), Err(TokenError::Name { .. })), "{bad:?}");
        }
        let value = file.add("script", TokenAccess::Full).unwrap();
        std::fs::write(&file.path, "[{").unwrap();
        assert_eq!(Tokens::new(Vec::new(), file.clone()).find(value.expose()), None);
        assert!(matches!(file.list(), Err(TokenError::Damaged { .. })));
    }

    #[test]
    fn the_configuration_may_name_tokens_too() {
        let folder = tempfile::tempdir().unwrap();
        let sha256 = hexadecimal(&digest("attendance_x")).to_uppercase();
        let configured = vec![StoredToken { name: "ci".to_owned(), access: TokenAccess::Full, sha256 }];
        let tokens = Tokens::new(configured, TokenFile::below(folder.path()));
        assert_eq!(tokens.find("attendance_x"), Some(("ci".to_owned(), TokenAccess::Full)));
        assert_eq!(tokens.find("attendance_y"), None);
    }
}
