//! Accounts of people beside the technician's: a name, a role, and the hash of a password.
//!
//! They are kept in a file that is read again whenever it changes: who is removed, or gets another password,
//! is logged out at once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::password::{Password, PasswordError, hash, random_password};
use super::private_file;
use super::private_list::{Entries, ListError, is_name, shortened};
use super::role::Role;
use base::failure::{Diagnosis, Fault};
use base::secret::Secret;

/// The account that every device has. Its password is the one of `page.password_hash` or of
/// `attendance password`, and its role cannot be changed.
pub const TECHNICIAN: &str = "technician";

/// Most accounts kept.
const MOST: usize = 64;

/// An account as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What the person types at the log-in: letters, digits, `-`, `_` and `.`, at most 40.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Argon2 hash of the password.
    pub password_hash: String,
}

/// Why accounts could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The file cannot be read or written.
    #[error("{}", self.fault())]
    File {
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: io::Error,
    },
    /// The file is damaged.
    #[error("{}", self.fault())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The name cannot be used.
    #[error("{}", self.fault())]
    Name {
        /// The name.
        name: String,
    },
    /// There is one of that name already.
    #[error("{}", self.fault())]
    Taken {
        /// The name.
        name: String,
    },
    /// There is none of that name.
    #[error("{}", self.fault())]
    Unknown {
        /// The name.
        name: String,
    },
    /// The list is full.
    #[error("{}", self.fault())]
    Full,
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl Diagnosis for AccountError {
    fn fault(&self) -> Fault {
        match self {
            Self::File { path, source } => Fault::new(format!("{}: {source}", path.display()))
                .advise("only the technician can log in until the service can read and write it"),
            Self::Damaged { path, reason } => {
                Fault::new(format!("{} is not a list of accounts ({reason})", path.display()))
                    .advise("remove it and add the accounts again")
            }
            Self::Name { name } => Fault::new(format!("{name:?} is not a name for an account"))
                .advise("use 1 to 40 letters, digits, '-', '_' or '.'"),
            Self::Taken { name } => Fault::new(format!("there is an account {name:?} already"))
                .advise("remove it first, or choose another name"),
            Self::Unknown { name } => Fault::new(format!("there is no account {name:?}"))
                .advise("`attendance account list` and the page's accounts show which there are"),
            Self::Full => Fault::new(format!("there are {MOST} accounts, which is the most"))
                .advise("remove one that nobody needs"),
            Self::Password(error) => error.fault(),
        }
    }
}

/// The file of accounts.
#[derive(Debug, Clone)]
pub struct AccountFile {
    path: PathBuf,
}

impl AccountFile {
    /// The accounts below the data folder.
    pub fn below(data_dir: &Path) -> Self {
        Self { path: data_dir.join("page/accounts.json") }
    }

    /// Every account.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn list(&self) -> Result<Vec<Account>, AccountError> {
        Ok(self.read()?.known)
    }

    fn read(&self) -> Result<Entries<Account>, AccountError> {
        Entries::read(&self.path, |account: &Account| is_name(&account.name))
            .map_err(|error| self.failed(error))
    }

    /// Adds an account with a password that the device makes. It is returned once, to be shown once.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn add(&self, name: &str, role: Role) -> Result<Secret, AccountError> {
        if !is_name(name) {
            return Err(AccountError::Name { name: shortened(name) });
        }
        let mut accounts = self.read()?;
        if name == TECHNICIAN || accounts.known.iter().any(|account| account.name == name) {
            return Err(AccountError::Taken { name: name.to_owned() });
        }
        if accounts.count() >= MOST {
            return Err(AccountError::Full);
        }
        let (password, password_hash) = made()?;
        accounts.known.push(Account { name: name.to_owned(), role, password_hash });
        self.store(&accounts)?;
        Ok(password)
    }

    /// Gives an account another password, which is returned once.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn new_password(&self, name: &str) -> Result<Secret, AccountError> {
        let mut accounts = self.read()?;
        let account = accounts.known.iter_mut().find(|account| account.name == name);
        let account = account.ok_or_else(|| AccountError::Unknown { name: shortened(name) })?;
        let (password, password_hash) = made()?;
        account.password_hash = password_hash;
        self.store(&accounts)?;
        Ok(password)
    }

    /// Removes an account; its log-ins end with the next request.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn remove(&self, name: &str) -> Result<(), AccountError> {
        let mut accounts = self.read()?;
        let before = accounts.count();
        accounts.known.retain(|account| account.name != name);
        if accounts.count() == before {
            return Err(AccountError::Unknown { name: shortened(name) });
        }
        self.store(&accounts)
    }

    fn store(&self, accounts: &Entries<Account>) -> Result<(), AccountError> {
        accounts.write(&self.path).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ListError) -> AccountError {
        let path = self.path.clone();
        match error {
            ListError::File(source) => AccountError::File { path, source },
            ListError::Damaged(reason) => AccountError::Damaged { path, reason },
        }
    }
}

fn made() -> Result<(Secret, String), PasswordError> {
    let password = random_password();
    let hash = hash(&password)?;
    Ok((password, hash))
}

/// The accounts the server knows at this moment.
pub struct Accounts {
    file: AccountFile,
    kept: Mutex<Kept>,
}

struct Kept {
    version: Option<(u64, i64, i64)>,
    accounts: Vec<Account>,
    trouble: Option<String>,
}

impl Accounts {
    /// The accounts of that file, read again when it changes.
    pub fn new(file: AccountFile) -> Self {
        Self { file, kept: Mutex::new(Kept { version: None, accounts: Vec::new(), trouble: None }) }
    }

    /// The account of this name at this moment.
    pub fn find(&self, name: &str) -> Option<Account> {
        self.follow().accounts.iter().find(|account| account.name == name).cloned()
    }

    /// Every account.
    pub fn all(&self) -> Vec<Account> {
        self.follow().accounts.clone()
    }

    /// Why the file's accounts do not count.
    pub fn trouble(&self) -> Option<String> {
        self.follow().trouble.clone()
    }

    /// The file, to change it.
    pub fn file(&self) -> &AccountFile {
        &self.file
    }

    /// Reads the file again if it changed. A file that cannot be read lets nobody in.
    fn follow(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let version = private_file::version(&self.file.path);
        if version != kept.version {
            kept.version = version;
            (kept.accounts, kept.trouble) = match self.file.list() {
                Ok(accounts) => (accounts, None),
                Err(error) => {
                    log::error!("only the technician can log in: {error}");
                    (Vec::new(), Some(error.to_string()))
                }
            };
        }
        kept
    }
}

impl Account {
    /// Whether this is the account's password. Takes a tenth of a second of one core.
    pub fn password(&self) -> Password {
        Password::parse(&self.password_hash, "the account").unwrap_or_else(|_| Password::none())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_account_is_known_at_once_and_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountFile::below(folder.path());
        let accounts = Accounts::new(file.clone());
        assert_eq!(accounts.find("anna"), None);
        let password = file.add("anna", Role::Office).unwrap();
        let anna = accounts.find("anna").unwrap();
        assert!(anna.role == Role::Office && anna.password().is(password.expose()));
        assert!(!std::fs::read_to_string(&file.path).unwrap().contains(password.expose()));
        let other = file.new_password("anna").unwrap();
        let anna = accounts.find("anna").unwrap();
        assert!(anna.password().is(other.expose()) && !anna.password().is(password.expose()));
        file.remove("anna").unwrap();
        assert_eq!(accounts.find("anna"), None);
        assert!(matches!(file.remove("anna"), Err(AccountError::Unknown { .. })));
        assert!(matches!(file.new_password("anna"), Err(AccountError::Unknown { .. })));
    }

    #[test]
    fn names_are_plain_and_the_technicians_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountFile::below(folder.path());
        for bad in ["", "a b", "a\nb", "é", &"x".repeat(41)] {
            assert!(matches!(file.add(bad, Role::Viewer), Err(AccountError::Name { .. })), "{bad:?}");
        }
        assert!(matches!(file.add(TECHNICIAN, Role::Viewer), Err(AccountError::Taken { .. })));
        file.add("a", Role::Viewer).unwrap();
        assert!(matches!(file.add("a", Role::Office), Err(AccountError::Taken { .. })));
    }

    #[test]
    fn a_later_versions_account_is_kept_and_a_damaged_file_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountFile::below(folder.path());
        file.add("old", Role::Viewer).unwrap();
        let later = std::fs::read_to_string(&file.path).unwrap().replace("\"viewer\"", "\"parent\"");
        private_file::write(&file.path, later.as_bytes()).unwrap();
        let accounts = Accounts::new(file.clone());
        assert_eq!(accounts.find("old"), None);
        file.add("new", Role::Viewer).unwrap();
        assert!(std::fs::read_to_string(&file.path).unwrap().contains("\"parent\""));
        private_file::write(&file.path, b"[{").unwrap();
        assert!(
            accounts.find("new").is_none() && accounts.trouble().unwrap().contains("add the accounts again")
        );
    }
}
