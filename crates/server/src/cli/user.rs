//! `pulseboard user`: adds, changes, lists and removes users, through the running server or in a directory that none runs on.
//!
//! A password is asked for on the terminal or read from a file or standard input; it is never an argument, which every
//! process on the machine could read.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pulseboard_gateway::{list_users, remove_user, save_user};
use pulseboard_journal::{LogError, OfflineStore, read_owner};
use pulseboard_protocol::login::{UserAnswer, UserRequest};
use pulseboard_protocol::{ApiError, Pattern, Role, Secret};
use pulseboard_runtime::{Clock, SystemClock};
use serde_json::{Value, json};

use super::Failure;
use super::args::{Target, TextFormat};
use super::connect::{Server, find_running};
use super::out::print;
use super::table::{Heading, RowFormat, render};
use super::token::joined;

/// Whom the audit log names for what is done without a server.
const BY: &str = "the command line";
/// The longest line that is read as a password; the server says itself what is too long.
const LINE_BYTES_MAX: u64 = 4_096;

pub(super) const HELP: &str = "Examples:
  pulseboard user add ann --role editor
  pulseboard user add wall --role viewer --channels board:shop --password-file /run/secrets/wall
  pulseboard user change ann --password
  pulseboard user change ann --role admin
  pulseboard user list
  pulseboard user remove ann

Users log in at the app with their password, which is asked for on the terminal, or read from a file or standard
input (--password-file -). Its argon2id hash is kept. Roles: viewer reads; editor changes boards, views and alerts
too; admin does everything. A change of a user ends their logins at once. The first user locks the door for whoever
shows nothing, on this machine too. It works while a server runs, and without one.";

/// `user`.
#[derive(Debug, Clone, Args)]
pub struct UserArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
    #[command(flatten)]
    /// Whom to ask.
    pub target: Target,
}

/// What `user` does.
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Add a user.
    Add(UserAddArgs),
    /// Give a user another password or other rights; their logins end.
    Change(UserChangeArgs),
    /// List all users.
    List(UserListArgs),
    /// Remove a user: their logins end, and what is open by them is closed.
    Remove(UserRemoveArgs),
}

/// `user add`.
#[derive(Debug, Clone, Args)]
pub struct UserAddArgs {
    /// The name to log in with.
    pub name: String,
    /// What they may do: viewer, editor or admin.
    #[arg(long)]
    pub role: Role,
    /// Which channels, such as view:shop.*, board:shop, sql:*; give it again for more [default: *].
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub channels: Vec<Pattern>,
    /// The file whose first line is the password; `-` reads standard input [default: asked for].
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `user change`.
#[derive(Debug, Clone, Args)]
pub struct UserChangeArgs {
    /// The user.
    pub name: String,
    /// What they may do from now on.
    #[arg(long)]
    pub role: Option<Role>,
    /// Which channels from now on.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub channels: Vec<Pattern>,
    /// Ask for a new password.
    #[arg(long, conflicts_with = "password_file")]
    pub password: bool,
    /// The file whose first line is the new password; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `user list`.
#[derive(Debug, Clone, Args)]
pub struct UserListArgs {
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub format: TextFormat,
}

/// `user remove`.
#[derive(Debug, Clone, Args)]
pub struct UserRemoveArgs {
    /// The user.
    pub name: String,
}

/// Where users are kept.
enum Store {
    Server(Server),
    Directory(OfflineStore),
}

pub(super) async fn run(args: &UserArgs) -> Result<(), Failure> {
    let store = match find_running(&args.target)? {
        Some(server) => Store::Server(server),
        None => Store::Directory(opened(&args.target.data_dir)?),
    };
    match &args.command {
        UserCommand::Add(args) => {
            if store.list().await?.iter().any(|user| user.name == args.name) {
                let line = format!("there is a user `{0}` already: `user change {0}` changes them", args.name);
                return Err(Failure::refused(line));
            }
            let password = Some(password(args.password_file.as_deref())?);
            let channels = (!args.channels.is_empty()).then(|| args.channels.clone());
            store.save(&args.name, UserRequest { password, role: Some(args.role), channels }).await?;
            eprintln!("user {} is added", args.name);
            eprintln!("whoever asks needs a login or a token from now on; commands on this machine need none");
            Ok(())
        }
        UserCommand::Change(args) => {
            let asks = args.password || args.password_file.is_some();
            if args.role.is_none() && args.channels.is_empty() && !asks {
                return Err(Failure::setup("say what to change: --password, --role or --channels"));
            }
            if !store.list().await?.iter().any(|user| user.name == args.name) {
                return Err(unknown(&args.name));
            }
            let password = if asks { Some(password(args.password_file.as_deref())?) } else { None };
            let channels = (!args.channels.is_empty()).then(|| args.channels.clone());
            store.save(&args.name, UserRequest { password, role: args.role, channels }).await?;
            eprintln!("user {} is changed: they log in again", args.name);
            Ok(())
        }
        UserCommand::List(args) => print(&listed(&store.list().await?, args.format.into())).map(drop),
        UserCommand::Remove(args) => {
            store.remove(&args.name).await?;
            eprintln!("user {} is removed: what was open by their logins is closed", args.name);
            Ok(())
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::refused(format!("there is no user `{name}`; `user list` shows all"))
}

fn opened(dir: &Path) -> Result<OfflineStore, Failure> {
    OfflineStore::open(dir).map_err(|error| match error {
        LogError::Locked { .. } if read_owner(dir).is_some_and(|owner| owner.url.is_none()) => {
            Failure::setup(format!("the server of `{}` is just starting: try again", dir.display()))
        }
        error => Failure::setup(error.to_string()),
    })
}

impl Store {
    async fn list(&self) -> Result<Vec<UserAnswer>, Failure> {
        match self {
            Self::Server(server) => {
                let answer = server.get("/api/v1/users").await?;
                serde_json::from_value(answer["users"].clone())
                    .map_err(|error| Failure::refused(format!("the server's list of users cannot be read: {error}")))
            }
            Self::Directory(offline) => list_users(offline.store()).map_err(|error| refused(&error)),
        }
    }

    async fn save(&self, name: &str, request: UserRequest) -> Result<(), Failure> {
        match self {
            Self::Server(server) => {
                let UserRequest { password, role, channels } = request;
                let password = password.as_ref().map(Secret::reveal);
                let body = json!({"password": password, "role": role, "channels": channels});
                server.put(&path(name)?, &body).await.map(drop)
            }
            Self::Directory(offline) => {
                let saved = save_user(offline.store(), (name, request), SystemClock.now_us(), BY);
                saved.map(drop).map_err(|error| refused(&error))
            }
        }
    }

    async fn remove(&self, name: &str) -> Result<(), Failure> {
        match self {
            Self::Server(server) => server.delete(&path(name)?).await.map(drop),
            Self::Directory(offline) => {
                remove_user(offline.store(), name, SystemClock.now_us(), BY).map_err(|error| refused(&error))
            }
        }
    }
}

fn refused(error: &ApiError) -> Failure {
    Failure::refused(error.message.clone())
}

/// The path of a user, whose name may hold nothing that means something else there.
fn path(name: &str) -> Result<String, Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    let is_name = !name.is_empty() && name.chars().all(allowed) && name.contains(|c| c != '.');
    if is_name { Ok(format!("/api/v1/users/{name}")) } else { Err(unknown(name)) }
}

/// The password: of a file, else of whoever sits there, else of standard input.
fn password(file: Option<&Path>) -> Result<Secret, Failure> {
    let failed = |what: &str, error: &std::io::Error| Failure::setup(format!("reading {what}: {error}"));
    match file {
        Some(file) if file != Path::new("-") => {
            let opened = File::open(file).map_err(|error| failed(&format!("`{}`", file.display()), &error))?;
            first_line(opened).map_err(|error| failed(&format!("`{}`", file.display()), &error))
        }
        None if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() => {
            let terminal = console::Term::stderr();
            let ask = |prompt: &str| {
                let asked = terminal.write_str(prompt).and_then(|()| terminal.read_secure_line());
                asked.map_err(|error| failed("the password", &error))
            };
            let (one, other) = (ask("Password: ")?, ask("The same again: ")?);
            if one == other { Ok(Secret::new(one)) } else { Err(Failure::refused("the two passwords differ")) }
        }
        _ => first_line(std::io::stdin()).map_err(|error| failed("standard input", &error)),
    }
}

fn first_line(from: impl Read) -> std::io::Result<Secret> {
    let mut line = String::new();
    BufReader::new(from.take(LINE_BYTES_MAX)).read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

fn listed(users: &[UserAnswer], format: RowFormat) -> String {
    let columns = [("name", "string"), ("role", "string"), ("channels", "string"), ("saved", "time")];
    let heading = |(name, column_type): (&str, &str)| Heading {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        key: false,
    };
    let row = |user: &UserAnswer| {
        let channels: Vec<Value> = user.channels.iter().map(|pattern| pattern.as_str().into()).collect();
        vec![user.name.as_str().into(), user.role.as_str().into(), joined(&channels).into(), user.saved.into()]
    };
    render(&columns.map(heading), &users.iter().map(row).collect::<Vec<_>>(), format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_as_it_is() {
        for (text, expected) in [("correct horse\nmore", "correct horse"), (" a b \r\n", " a b "), ("x", "x"), ("", "")]
        {
            assert_eq!(first_line(text.as_bytes()).unwrap().reveal(), expected);
        }
    }

    #[test]
    fn a_name_is_a_name_also_in_a_path() {
        assert_eq!(path("ann@example.com").unwrap(), "/api/v1/users/ann@example.com");
        for bad in ["", "..", "a/b", "a?b", "a b", "ä"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
