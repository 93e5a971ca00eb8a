//! The configuration: read, checked as a whole, and turned into what the server is made of.
//!
//! Reading is pure but for the files it reads: nothing is opened or started. All problems are found at once; unknown keys
//! are refused. Without a file the server shows this machine and takes whatever is sent.

mod board;
mod reader;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use chrono_tz::Tz;
use pulseboard_gateway::{Board, NamedView, StreamConfigs};
use pulseboard_journal::{Keep, Retention};
use pulseboard_live::{Params, QuerySpec};
use pulseboard_model::decode::StreamConfig;
use pulseboard_model::{FieldType, StreamName, ViewName};
use toml::{Table, Value};

pub use reader::Problem;

use board::read_board;
use reader::{Reader, size_bytes, span_us, wrong};

/// The board that every server with the host source shows.
const INFRA_BOARD: &str = include_str!("../../../../boards/infra.toml");
/// How long the host's own streams are kept.
const HOST_KEEP_US: i64 = 24 * 3_600 * 1_000_000;
/// Kinds of sources that this version reads.
const SOURCE_KINDS: [&str; 1] = ["host"];

/// What the server is made of.
#[derive(Debug)]
pub struct ServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where events are kept.
    pub data_dir: PathBuf,
    /// The zone of everything that names none.
    pub timezone: Tz,
    /// Origins that pages may come from beside loopback ones.
    pub allowed_origins: Vec<String>,
    /// Whether this machine is measured.
    pub host_source: bool,
    /// How streams are read.
    pub streams: StreamConfigs,
    /// How long streams are kept.
    pub retention: Retention,
    /// Named views, those of boards included.
    pub views: Vec<NamedView>,
    /// Boards.
    pub boards: Vec<Board>,
}

/// What the command line says above the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

/// Reads the configuration; without a file, the default one.
///
/// # Errors
/// Every problem there is.
pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<ServerConfig, Vec<Problem>> {
    let Some(path) = path else {
        let mut problems = Vec::new();
        let config = build("default configuration", Table::new(), true, Path::new("."), overrides, &mut problems);
        return config.filter(|_| problems.is_empty()).ok_or(problems);
    };
    let file = path.display().to_string();
    let whole = |what: String| vec![Problem { file: file.clone(), key: String::new(), what }];
    let text = std::fs::read_to_string(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
    let table: Table = text.parse().map_err(|error| vec![syntax(&file, &error)])?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut problems = Vec::new();
    let config = build(&file, table, false, dir, overrides, &mut problems);
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

/// TOML that is none, with its place.
fn syntax(file: &str, error: &toml::de::Error) -> Problem {
    let what = error.to_string().lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    Problem { file: file.to_owned(), key: String::new(), what: format!("is not valid TOML: {what}") }
}

fn timezone(value: &Value) -> Result<Tz, String> {
    let name = value.as_str().ok_or_else(|| wrong("the name of a time zone", value))?;
    Tz::from_str(name).map_err(|_| format!("`{name}` is not a time zone: use a name such as `Europe/Berlin` or `UTC`"))
}

fn build(
    file: &str,
    table: Table,
    is_default: bool,
    dir: &Path,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Option<ServerConfig> {
    let mut root = Reader::new(file, "", table);
    let zone = root.read("timezone", problems, timezone).unwrap_or(Tz::UTC);
    let (listen, data_dir, allowed_origins) = server(&mut root, file, problems);
    let listen = overrides.listen.or(listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
    if !listen.ip().is_loopback() {
        let what = format!(
            "`{listen}` is reachable from other machines, and there are no tokens yet to lock it: use a loopback address such as \
             127.0.0.1:8080, with a proxy before it if others need it"
        );
        problems.push(Problem { file: file.to_owned(), key: "server.listen".to_owned(), what });
    }
    let host_source = sources(&mut root, file, problems) || is_default;
    let (streams, retention) = streams(&mut root, file, zone, host_source, problems);
    let mut views = views(&mut root, file, zone, problems);
    if root.take("alerts").is_some() {
        root.problem("alerts", "alerts are not part of this version yet", problems);
    }
    let mut boards = Vec::new();
    if host_source {
        let read = read_board("infra", "boards/infra.toml", INFRA_BOARD, zone, problems);
        boards.extend(read.into_iter().map(|read| {
            views.extend(read.views);
            read.board
        }));
    }
    if let Some(folder) = root.text("boards", problems) {
        for (id, name, text) in board_files(&dir.join(folder), file, problems) {
            if let Some(read) = read_board(&id, &name, &text, zone, problems) {
                boards.retain(|known: &Board| known.id != read.board.id);
                views.extend(read.views);
                boards.push(read.board);
            }
        }
    }
    root.finish(problems);
    for board in &boards {
        for panel in &board.panels {
            if !views.iter().any(|view| view.name == panel.view) {
                let key = format!("panels.{}.view", panel.id);
                let what = format!("there is no view `{}`: add `[views.{}]`", panel.view, panel.view);
                problems.push(Problem { file: format!("board {}", board.id), key, what });
            }
        }
    }
    let data_dir = overrides.data_dir.clone().or(data_dir).unwrap_or_else(|| PathBuf::from("./pulseboard-data"));
    Some(ServerConfig {
        listen,
        data_dir,
        timezone: zone,
        allowed_origins,
        host_source,
        streams,
        retention,
        views,
        boards,
    })
}

fn server(
    root: &mut Reader<'_>,
    file: &str,
    problems: &mut Vec<Problem>,
) -> (Option<SocketAddr>, Option<PathBuf>, Vec<String>) {
    let Some(table) = root.table("server", problems) else { return (None, None, Vec::new()) };
    let mut server = Reader::new(file, "server", table);
    let listen = server.read("listen", problems, |value| {
        let text = value.as_str().ok_or_else(|| wrong("an address such as `127.0.0.1:8080`", value))?;
        text.parse().map_err(|_| format!("`{text}` is not an address: use one such as `127.0.0.1:8080`"))
    });
    let data_dir = server.text("data_dir", problems).map(PathBuf::from);
    let origins = server.read("allowed_origins", problems, |value| {
        let texts = value
            .as_array()
            .and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
        let texts = texts.ok_or_else(|| wrong("a list of origins such as `https://shop.example`", value))?;
        match texts.iter().find(|text| !text.starts_with("http://") && !text.starts_with("https://")) {
            Some(bad) => Err(format!("`{bad}` is not an origin: write it as `https://shop.example`")),
            None => Ok(texts),
        }
    });
    server.finish(problems);
    (listen, data_dir, origins.unwrap_or_default())
}

fn sources(root: &mut Reader<'_>, file: &str, problems: &mut Vec<Problem>) -> bool {
    let Some(list) = root.take("sources") else { return false };
    let Some(list) = list.as_array() else {
        root.problem("sources", wrong("a list of tables (`[[sources]]`)", &list), problems);
        return false;
    };
    let mut host = false;
    for (number, value) in list.iter().enumerate() {
        let Some(table) = value.as_table() else {
            root.problem("sources", wrong("a list of tables (`[[sources]]`)", value), problems);
            continue;
        };
        let mut source = Reader::new(file, format!("sources[{number}]"), table.clone());
        match source.text("kind", problems).as_deref() {
            Some("host") => host = true,
            Some(other) => {
                let what = format!(
                    "sources of kind `{other}` are not read by this version (known: {})",
                    SOURCE_KINDS.join(", ")
                );
                source.problem("kind", what, problems);
                continue;
            }
            None => source.problem("kind", format!("is missing (known: {})", SOURCE_KINDS.join(", ")), problems),
        }
        let _name = source.text("name", problems);
        source.finish(problems);
    }
    host
}

fn streams(
    root: &mut Reader<'_>,
    file: &str,
    zone: Tz,
    host: bool,
    problems: &mut Vec<Problem>,
) -> (StreamConfigs, Retention) {
    let default = Arc::new(StreamConfig { timezone: zone, ..StreamConfig::default() });
    let mut configs = StreamConfigs { by_name: BTreeMap::new(), default };
    let mut retention = Retention::default();
    if host {
        for (name, _) in pulseboard_sources::host::streams() {
            retention.streams.insert(name, Keep { keep_us: HOST_KEEP_US, ..retention.default });
        }
    }
    for (name, value) in root.table("streams", problems).unwrap_or_default() {
        let Some(table) = value.as_table() else {
            root.problem(&format!("streams.{name}"), wrong("a table", &value), problems);
            continue;
        };
        let mut stream = Reader::new(file, format!("streams.{name}"), table.clone());
        let config = StreamConfig {
            time_field: stream.text("time_field", problems),
            timezone: stream.read("timezone", problems, timezone).unwrap_or(zone),
            fields: fields(&mut stream, problems),
            time_formats: Vec::new(),
        };
        let keep_us = stream.read("keep", problems, span_us);
        let max_bytes = stream.read("max_bytes", problems, size_bytes);
        match StreamName::new(&name) {
            Ok(name) => {
                let keep = Keep {
                    keep_us: keep_us.unwrap_or(retention.default.keep_us),
                    max_bytes: max_bytes.unwrap_or(retention.default.max_bytes),
                };
                retention.streams.insert(name.clone(), keep);
                configs.by_name.insert(name, Arc::new(config));
            }
            Err(error) => stream.problem("", error.to_string(), problems),
        }
        stream.finish(problems);
    }
    (configs, retention)
}

fn fields(stream: &mut Reader<'_>, problems: &mut Vec<Problem>) -> Vec<(String, FieldType)> {
    let mut fields = Vec::new();
    for (name, value) in stream.table("fields", problems).unwrap_or_default() {
        let text = value.as_str().unwrap_or_default();
        match FieldType::parse_declared(text) {
            Ok(field_type) => fields.push((name, field_type)),
            Err(error) => stream.problem(&format!("fields.{name}"), error.to_string(), problems),
        }
    }
    fields
}

fn views(root: &mut Reader<'_>, file: &str, zone: Tz, problems: &mut Vec<Problem>) -> Vec<NamedView> {
    let mut views = Vec::new();
    for (name, value) in root.table("views", problems).unwrap_or_default() {
        let Some(table) = value.as_table() else {
            root.problem(&format!("views.{name}"), wrong("a table", &value), problems);
            continue;
        };
        let mut view = Reader::new(file, format!("views.{name}"), table.clone());
        let sql = view.text("sql", problems);
        let timezone = view.read("timezone", problems, timezone).unwrap_or(zone);
        match (ViewName::new(&name), sql) {
            (Ok(name), Some(sql)) => {
                views.push(NamedView { name, spec: QuerySpec { sql, timezone, params: Params::new() } });
            }
            (Err(error), _) => view.problem("", error.to_string(), problems),
            (Ok(_), None) => view.problem("sql", "is missing: a view is a query", problems),
        }
        view.finish(problems);
    }
    views
}

/// The board files of a folder: id, name for messages, text.
fn board_files(folder: &Path, file: &str, problems: &mut Vec<Problem>) -> Vec<(String, String, String)> {
    let mut files = Vec::new();
    let mut problem = |what: String| {
        problems.push(Problem { file: file.to_owned(), key: "boards".to_owned(), what });
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            problem(format!("folder `{}` cannot be read: {error}", folder.display()));
            return files;
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push((id, path.display().to_string(), text)),
            Err(error) => problem(format!("`{}` cannot be read: {error}", path.display())),
        }
    }
    files
}

#[cfg(test)]
mod tests;
