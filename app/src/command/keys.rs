//! `attendance password`, `attendance account` and `attendance token`: who may see the page and use the API.

use std::path::Path;
use std::process::ExitCode;

use access::account::AccountFile;
use access::password;
use access::role::Role;
use access::token::{TokenAccess, TokenFile};
use base::secret::Secret;

/// Arguments of `password`.
#[derive(Debug, clap::Args)]
pub(super) struct Password {
    /// Read a password of yours from standard input and print its hash, for page.password_hash in the
    /// configuration.
    #[arg(long)]
    hash: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Token {
    /// Make a token and print it: it is shown only now.
    Add {
        /// What it is for: "monitoring".
        name: String,
        /// May change things, and not only look.
        #[arg(long, conflicts_with = "role")]
        full: bool,
        /// May do what an account of this role may: viewer, office or technician.
        #[arg(long)]
        role: Option<Role>,
    },
    /// List the tokens by name.
    List {
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Make a token worthless.
    Revoke {
        /// The name it was given.
        name: String,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Account {
    /// Add an account and print its password: it is shown only now.
    Add {
        /// What the person types at the log-in.
        name: String,
        /// What they may do: viewer, office or technician.
        #[arg(long)]
        role: Role,
    },
    /// List the accounts with their roles.
    List {
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Make another password for an account and print it; every log-in with the old one ends.
    Password {
        /// The account.
        name: String,
    },
    /// Remove an account; its log-ins end at once.
    Remove {
        /// The account.
        name: String,
    },
}

pub(super) fn account(path: &Path, request: &Account) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    super::as_owner_of(&config.site.data_dir)?;
    let file = AccountFile::below(&config.site.data_dir);
    match request {
        Account::Add { name, role } => {
            let password = file.add(name, *role)?;
            println!("The password of {name} ({role}), shown only now: {}", password.expose());
        }
        Account::List { json: true } => {
            let accounts = file.list()?;
            let told: Vec<_> = accounts
                .iter()
                .map(|account| ToldAccount { name: &account.name, role: account.role })
                .collect();
            super::print_json(&told)?;
        }
        Account::List { json: false } => {
            println!(
                "{}\ttechnician\tthe device's own; `attendance password` is for it",
                access::account::TECHNICIAN
            );
            for account in file.list()? {
                println!("{}\t{}", account.name, account.role);
            }
        }
        Account::Password { name } => {
            let password = file.new_password(name)?;
            println!("The new password of {name}, shown only now: {}", password.expose());
        }
        Account::Remove { name } => {
            file.remove(name)?;
            println!("{name} is removed. Its log-ins have ended.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What `account list --json` prints of each.
#[derive(serde::Serialize)]
struct ToldAccount<'a> {
    name: &'a str,
    role: Role,
}

/// What `token list --json` prints of each.
#[derive(serde::Serialize)]
struct ToldToken<'a> {
    name: &'a str,
    access: TokenAccess,
}

pub(super) fn password(path: &Path, arguments: &Password) -> anyhow::Result<ExitCode> {
    if arguments.hash {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        println!("{}", password::hash(&Secret::new(line.trim_end_matches(['\r', '\n'])))?);
        return Ok(ExitCode::SUCCESS);
    }
    let config = super::configured(path)?;
    super::as_owner_of(&config.site.data_dir)?;
    let (_, new) = password::Password::make(&status::password_file(&config.site.data_dir))?;
    println!("The new password, shown only now: {}", new.expose());
    println!("It counts at once, and every log-in with the old one has ended.");
    if config.page.password_hash.is_some() {
        println!("But page.password_hash is set in the configuration, and comes first: remove it there.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn token(path: &Path, request: &Token) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    super::as_owner_of(&config.site.data_dir)?;
    let file = TokenFile::below(&config.site.data_dir);
    match request {
        Token::Add { name, full, role } => {
            let access = match role {
                Some(role) => TokenAccess::from(*role),
                None if *full => TokenAccess::Full,
                None => TokenAccess::Read,
            };
            let token = file.add(name, access)?;
            println!("The token, shown only now: {}", token.expose());
        }
        Token::List { json: true } => {
            let tokens = file.list()?;
            let told: Vec<_> =
                tokens.iter().map(|token| ToldToken { name: &token.name, access: token.access }).collect();
            super::print_json(&told)?;
        }
        Token::List { json: false } => {
            for token in file.list()? {
                println!("{}\t{}", token.name, token.access.as_str());
            }
        }
        Token::Revoke { name } => {
            file.revoke(name)?;
            println!("{name} is revoked.");
        }
    }
    Ok(ExitCode::SUCCESS)
}
