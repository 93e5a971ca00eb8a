//! `pulseboard share`: makes, lists and takes back links to one board, through the running server.
//!
//! Which boards there are, and with which variables, is known to a server alone; so nothing here works on files.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Failure;
use super::args::{Target, TextFormat};
use super::connect::find_server;
use super::out::print;
use super::table::{Heading, RowFormat, render};

pub(super) const HELP: &str = "Examples:
  pulseboard share create shop --name 'the wall in the kitchen'
  pulseboard share create trading --variable symbol=BTCUSD --expires 7d
  pulseboard share list shop
  pulseboard share revoke shop 4f1c09aa31d2

Whoever opens a link sees this one board, live and read-only, and needs no login. The address is printed once; add
?kiosk to it for a wall screen. A variable that is given cannot be chosen by those who open the link. Taking a link
back closes what is open by it.";

/// `share`.
#[derive(Debug, Clone, Args)]
pub struct ShareArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ShareCommand,
    #[command(flatten)]
    /// Whom to ask.
    pub target: Target,
}

/// What `share` does.
#[derive(Debug, Clone, Subcommand)]
pub enum ShareCommand {
    /// Make a link to a board and print its address.
    Create(ShareCreateArgs),
    /// List the links to a board that are good.
    List(ShareListArgs),
    /// Take a link back: what is open by it is closed.
    Revoke(ShareRevokeArgs),
}

/// `share create`.
#[derive(Debug, Clone, Args)]
pub struct ShareCreateArgs {
    /// The board.
    pub board: String,
    /// What the link is for.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// A variable of the board and its value for all who open the link; give it again for more.
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// How long it is good, such as 12h or 30d [default: until it is taken back].
    #[arg(long, value_name = "SPAN", value_parser = crate::config::span)]
    pub expires: Option<Duration>,
}

/// `share list`.
#[derive(Debug, Clone, Args)]
pub struct ShareListArgs {
    /// The board.
    pub board: String,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub format: TextFormat,
}

/// `share revoke`.
#[derive(Debug, Clone, Args)]
pub struct ShareRevokeArgs {
    /// The board.
    pub board: String,
    /// The link's id, as `share list` shows it.
    pub id: String,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE, such as symbol=BTCUSD".to_owned()),
    }
}

pub(super) async fn run(args: &ShareArgs) -> Result<(), Failure> {
    let server = find_server(&args.target)?;
    match &args.command {
        ShareCommand::Create(args) => {
            let mut variables = Map::new();
            for (name, value) in &args.variables {
                if variables.insert(name.clone(), value.as_str().into()).is_some() {
                    return Err(Failure::setup(format!("variable `{name}` is given twice")));
                }
            }
            let expires_in_s = args.expires.map(|span| span.as_secs().max(1));
            let body = json!({"name": args.name, "variables": variables, "expires_in_s": expires_in_s});
            let made = server.post(&path(&args.board, None)?, &body).await?;
            let fragment = made["fragment"].as_str().ok_or_else(|| Failure::refused("the server gave no link"))?;
            // The address alone on stdout, for scripts; what a person should know on stderr.
            print(&format!("{}/{fragment}\n", server.url))?;
            let id = made["id"].as_str().unwrap_or_default();
            eprintln!("link {id} is made and is not shown again; whoever has it sees board `{}`", args.board);
            eprintln!("`pulseboard share revoke {} {id}` takes it back", args.board);
            Ok(())
        }
        ShareCommand::List(args) => {
            let answer = server.get(&path(&args.board, None)?).await?;
            let rows = answer["shares"].as_array().map(Vec::as_slice).unwrap_or_default();
            print(&listed(rows, args.format.into())).map(drop)
        }
        ShareCommand::Revoke(args) => {
            server.delete(&path(&args.board, Some(&args.id))?).await?;
            eprintln!("link {} is taken back: what was open by it is closed", args.id);
            Ok(())
        }
    }
}

/// The path of a board's links, or of one. Names that mean something else in a path are no names.
fn path(board: &str, id: Option<&str>) -> Result<String, Failure> {
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !is_name(board) {
        return Err(Failure::refused(format!("there is no board `{board}`")));
    }
    match id {
        None => Ok(format!("/api/v1/boards/{board}/shares")),
        Some(id) if is_name(id) => Ok(format!("/api/v1/boards/{board}/shares/{id}")),
        Some(id) => Err(Failure::refused(format!("there is no link `{id}`; `share list {board}` shows all"))),
    }
}

/// The rows of a list: columns in the order of the answer, variables as they were given.
fn listed(shares: &[Value], format: RowFormat) -> String {
    let columns =
        [("id", "string"), ("name", "string"), ("variables", "string"), ("created", "time"), ("expires", "time")];
    let heading = |(name, column_type): (&str, &str)| Heading {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        key: false,
    };
    let row = |share: &Value| {
        let cell = |(name, _): &(&str, &str)| match &share[*name] {
            Value::Object(variables) => {
                let given = variables.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")));
                Value::from(given.collect::<Vec<_>>().join(" "))
            }
            other => other.clone(),
        };
        columns.iter().map(cell).collect::<Vec<_>>()
    };
    render(&columns.map(heading), &shares.iter().map(row).collect::<Vec<_>>(), format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_also_in_a_path_and_variables_have_values() {
        assert_eq!(path("shop", Some("4f1c")).unwrap(), "/api/v1/boards/shop/shares/4f1c");
        for (board, id) in [("", None), ("..", None), ("a/b", None), ("a", Some("..")), ("a", Some("b?c"))] {
            assert!(path(board, id).is_err(), "{board} {id:?}");
        }
        assert_eq!(variable("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("a="), Ok(("a".to_owned(), String::new())));
        assert!(variable("a").is_err() && variable("=b").is_err());
    }

    #[test]
    fn a_list_says_what_a_link_holds_to() {
        let share = json!({"id": "a1", "name": "wall", "board": "b", "variables": {"kind": "x", "n": "2"}, "created": 0,
            "expires": null});
        let text = listed(&[share], RowFormat::Csv);
        assert!(text.contains("a1,wall,kind=x n=2,"), "{text}");
    }
}
