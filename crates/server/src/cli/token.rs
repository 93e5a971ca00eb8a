//! `pulseboard token`: makes, lists and takes back tokens, through the running server or in a directory that none runs on.

use std::fmt::Write;
use std::path::Path;

use pulseboard_gateway::{create_token, list_tokens, revoke_token};
use pulseboard_journal::{LogError, OfflineStore, read_owner};
use pulseboard_protocol::ApiError;
use pulseboard_protocol::auth::{TokenAnswer, TokenRequest};
use pulseboard_runtime::{Clock, SystemClock};
use serde_json::{Value, json};

use super::Failure;
use super::args::{TokenArgs, TokenCommand, TokenCreateArgs};
use super::connect::{Server, find_running};
use super::out::print;
use super::table::{Heading, RowFormat, render};

/// Whom the audit log names for what is done without a server.
const BY: &str = "the command line";

pub(super) async fn run(args: &TokenArgs) -> Result<(), Failure> {
    let (target, command) = (&args.target, &args.command);
    match find_running(target)? {
        Some(server) => through(&server, command).await,
        None => in_directory(&target.data_dir, command),
    }
}

fn refused(error: &ApiError) -> Failure {
    Failure::refused(error.message.clone())
}

fn request(args: &TokenCreateArgs) -> TokenRequest {
    TokenRequest {
        role: args.role,
        name: args.name.clone(),
        channels: (!args.channels.is_empty()).then(|| args.channels.clone()),
        expires_in_s: args.expires.map(|span| span.as_secs().max(1)),
    }
}

async fn through(server: &Server, command: &TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Create(args) => {
            let TokenRequest { role, name, channels, expires_in_s } = request(args);
            let body = json!({"role": role, "name": name, "channels": channels, "expires_in_s": expires_in_s});
            let made = server.post("/api/v1/tokens", &body).await?;
            let token = made["token"].as_str().ok_or_else(|| Failure::refused("the server gave no token"))?;
            told(token, made["id"].as_str().unwrap_or_default())
        }
        TokenCommand::List(args) => {
            let answer = server.get("/api/v1/tokens").await?;
            let rows = answer["tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
            print(&listed(rows, args.format.into())).map(drop)
        }
        TokenCommand::Revoke(args) => {
            server.delete(&format!("/api/v1/tokens/{}", args.id)).await?;
            eprintln!("token {} is taken back: what was open by it is closed", args.id);
            Ok(())
        }
    }
}

fn in_directory(dir: &Path, command: &TokenCommand) -> Result<(), Failure> {
    let now_us = SystemClock.now_us();
    let offline = OfflineStore::open(dir).map_err(|error| match error {
        LogError::Locked { .. } if read_owner(dir).is_some_and(|owner| owner.url.is_none()) => {
            Failure::setup(format!("the server of `{}` is just starting: try again", dir.display()))
        }
        error => Failure::setup(error.to_string()),
    })?;
    let store = offline.store();
    match command {
        TokenCommand::Create(args) => {
            let (made, _) = create_token(store, request(args), now_us, BY).map_err(|error| refused(&error))?;
            told(&made.token, &made.about.id)
        }
        TokenCommand::List(args) => {
            let tokens = list_tokens(store).map_err(|error| refused(&error))?;
            let rows: Vec<Value> = tokens.iter().map(as_json).collect();
            print(&listed(&rows, args.format.into())).map(drop)
        }
        TokenCommand::Revoke(args) => {
            revoke_token(store, &args.id, now_us, BY).map_err(|error| refused(&error))?;
            eprintln!("token {} is taken back", args.id);
            Ok(())
        }
    }
}

fn as_json(token: &TokenAnswer) -> Value {
    serde_json::to_value(token).unwrap_or_default()
}

/// The token alone on stdout, for scripts; what a person should know on stderr.
fn told(token: &str, id: &str) -> Result<(), Failure> {
    print(&format!("{token}\n"))?;
    eprintln!("token {id} is made and is not shown again; send it as `Authorization: Bearer …`");
    eprintln!("whoever asks needs a token from now on; commands on this machine find their own in the data directory");
    Ok(())
}

/// The rows of a list: columns in the order of the answer.
fn listed(tokens: &[Value], format: RowFormat) -> String {
    let columns = [
        ("id", "string"),
        ("role", "string"),
        ("name", "string"),
        ("channels", "string"),
        ("created", "time"),
        ("expires", "time"),
        ("revoked", "time"),
    ];
    let heading = |(name, column_type): (&str, &str)| Heading {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        key: false,
    };
    let row = |token: &Value| {
        let cell = |(name, _): &(&str, &str)| match &token[*name] {
            Value::Array(patterns) => Value::from(joined(patterns)),
            other => other.clone(),
        };
        columns.iter().map(cell).collect::<Vec<_>>()
    };
    render(&columns.map(heading), &tokens.iter().map(row).collect::<Vec<_>>(), format)
}

pub(super) fn joined(patterns: &[Value]) -> String {
    let mut out = String::new();
    for (number, pattern) in patterns.iter().filter_map(Value::as_str).enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let _written = write!(out, "{comma}{pattern}").is_ok();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::args::Target;
    use super::*;

    #[test]
    fn a_list_names_what_a_token_may() {
        let token = json!({"id": "a1", "role": "viewer", "name": "wall", "channels": ["view:a", "board:b"], "created": 0,
            "expires": null, "revoked": null});
        let text = listed(&[token], RowFormat::Csv);
        assert!(text.contains("a1,viewer,wall,\"view:a,board:b\""), "{text}");
        let target = Target { url: None, data_dir: "/nowhere".into() };
        assert!(find_running(&target).unwrap().is_none());
    }
}
