//! The configuration: read, checked as a whole, and turned into what the server is made of.
//!
//! Reading is pure but for the files it reads: nothing is opened or started. All problems are found at once; unknown keys
//! are refused. Without a file the server shows this machine and takes whatever is sent.

mod archive;
mod auth;
mod board;
mod board_variables;
mod checkpoints;
pub(crate) mod definitions;
mod files;
mod limits;
mod options;
mod pace;
mod panel_types;
pub(crate) mod places;
mod reader;
mod references;
mod role_limits;
mod socketio;
mod sources;
mod streams;
mod tls;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use pulseboard_gateway::{NamedView, Origin, SocketIoConfig, StreamConfigs, SystemRecord};
use pulseboard_journal::{Keep, Retention};
use pulseboard_live::{Params, QuerySpec, check_sql};
use pulseboard_model::ViewName;
use pulseboard_sources::reference::ReferenceConfig;
use pulseboard_sources::simulate::SimulateConfig;
use toml::Table;

pub use archive::ArchiveSettings;
pub use auth::{AuthSettings, JwtSettings, Secret as JwtSecret};
pub use checkpoints::CheckpointConfig;
pub use definitions::{Assembled, DefinitionSet, Places};
pub use limits::Limits;
pub use reader::Problem;
pub use tls::{TlsFiles, TlsSettings};

use crate::sql_text::sentence;
use archive::read_archive;
use auth::read_auth;
use checkpoints::read_checkpoints;
use limits::read_limits;
use reader::Reader;
use references::read_references;
use socketio::read_socketio;
use sources::read_sources;
use streams::read_streams;
use tls::read_tls;
use values::{timezone, wrong};

/// The board of the server itself, unless a file replaces it.
const SYSTEM_ID: &str = "system";
/// Its definition.
const SYSTEM_BOARD: &str = include_str!("../../../../boards/system.toml");

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
    /// How the door is set up.
    pub auth: AuthSettings,
    /// The certificate, if the server speaks TLS.
    pub tls: Option<TlsSettings>,
    /// Whether this machine is measured.
    pub host_source: bool,
    /// Which worlds are simulated.
    pub simulators: Vec<SimulateConfig>,
    /// How streams are read.
    pub streams: StreamConfigs,
    /// How long streams are kept.
    pub retention: Retention,
    /// How history is kept.
    pub archive: ArchiveSettings,
    /// What may be sent in, held and asked.
    pub limits: Limits,
    /// When the server writes down what it measures of itself.
    pub system: SystemRecord,
    /// How Socket.IO clients are served.
    pub socketio: SocketIoConfig,
    /// How the state of live queries is kept over a restart.
    pub checkpoints: CheckpointConfig,
    /// Where boards and views are kept.
    pub places: Places,
    /// What each of their files says.
    pub files: DefinitionSet,
    /// Named views and boards, as all files say them together.
    pub assembled: Assembled,
    /// Reference tables.
    pub references: Vec<ReferenceConfig>,
}

/// What the command line says above the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

/// What `pulseboard demo` is asked for.
#[derive(Debug, Clone)]
pub struct Demo {
    /// `--seed`.
    pub seed: u32,
    /// `--past`, as a span.
    pub past: String,
    /// `--outage-every`, as a span.
    pub outage_every: String,
}

/// Reads the configuration; without a file, the default one.
///
/// # Errors
/// Every problem there is.
pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<ServerConfig, Vec<Problem>> {
    let Some(path) = path else {
        let mut problems = Vec::new();
        let config = build("default configuration", None, overrides, &mut problems);
        return config.filter(|_| problems.is_empty()).ok_or(problems);
    };
    let file = path.display().to_string();
    let whole = |what: String| vec![Problem { file: file.clone(), key: String::new(), what }];
    let text = std::fs::read_to_string(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
    let mut problems = Vec::new();
    let table: Table = text.parse().map_err(|error| vec![syntax(&file, &error)])?;
    let config = build(&file, Some((Some(path), table, text)), overrides, &mut problems);
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

/// TOML that is none, with its place.
fn syntax(file: &str, error: &toml::de::Error) -> Problem {
    let what = error.to_string().lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    Problem { file: file.to_owned(), key: String::new(), what: format!("is not valid TOML: {what}") }
}

/// The configuration of `pulseboard demo`: every world that is simulated, this machine, and their boards.
///
/// # Errors
/// Every problem there is with what was asked for.
pub fn demo(demo: &Demo, overrides: &Overrides) -> Result<ServerConfig, Vec<Problem>> {
    let Demo { seed, past, outage_every } = demo;
    let text = format!(
        r#"
        timezone = "Europe/Berlin"
        [server]
        data_dir = "./pulseboard-demo"
        [system]
        record = "always"
        [[sources]]
        kind = "simulate"
        scenario = "shop"
        seed = {seed}
        past = {past:?}
        [[sources]]
        kind = "simulate"
        scenario = "trading"
        timezone = "America/New_York"
        seed = {seed}
        past = {past:?}
        outage_every = {outage_every:?}
        [[sources]]
        kind = "host"
        "#
    );
    let table: Table = text.parse().map_err(|error| vec![syntax("demo", &error)])?;
    let mut problems = Vec::new();
    let config = build("demo", Some((None, table, text)), overrides, &mut problems);
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

fn build(
    file: &str,
    given: Option<(Option<&Path>, Table, String)>,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Option<ServerConfig> {
    let is_default = given.is_none();
    let (path, table, text) = given.unwrap_or_default();
    let dir = path.and_then(Path::parent).unwrap_or(Path::new("."));
    let mut root = Reader::new(file, "", table);
    let zone = root.read("timezone", problems, timezone).unwrap_or(Tz::UTC);
    let (listen, data_dir, allowed_origins) = server(&mut root, file, problems);
    let listen = overrides.listen.or(listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
    let auth = read_auth(&mut root, problems);
    let tls = read_tls(&mut root, dir, problems);
    let mut sources = read_sources(&mut root, zone, problems);
    sources.host |= is_default;
    let (streams, mut retention) = read_streams(&mut root, sources.host, problems);
    let references = read_references(&mut root, dir, &streams, problems);
    for reference in &references {
        // A row that is never changed is as old as its first load, and still part of the table.
        retention.streams.insert(reference.stream.clone(), Keep { keep_us: i64::MAX, max_bytes: u64::MAX });
    }
    let archive = read_archive(&mut root, file, problems);
    let limits = read_limits(&mut root, file, problems);
    let checkpoints = read_checkpoints(&mut root, file, problems);
    let views = views(&mut root, zone, problems);
    if root.take("alerts").is_some() {
        root.problem("alerts", "alerts are not part of this version yet", problems);
    }
    let boards = root.text("boards", problems).map(|folder| dir.join(folder));
    if let Some(folder) = &boards
        && let Err(error) = std::fs::read_dir(folder)
    {
        root.problem("boards", format!("folder `{}` cannot be read: {error}", folder.display()), problems);
    }
    let system = system(&mut root, file, problems);
    let socketio = read_socketio(&mut root, file, problems);
    root.finish(problems);
    let data_dir = overrides.data_dir.clone().or(data_dir).unwrap_or_else(|| PathBuf::from("./pulseboard-data"));
    let mut shipped = vec![(SYSTEM_ID, SYSTEM_BOARD, Origin::BuiltIn)];
    shipped.extend(sources.boards().map(|(id, text)| (id, text, Origin::Configured)));
    let places = Places {
        config: path.map(Path::to_owned),
        boards: boards.unwrap_or_else(|| data_dir.join("boards")),
        views: if path.is_none() { data_dir.join("views.d") } else { dir.join("views.d") },
        timezone: zone,
        shipped,
    };
    let files = DefinitionSet::read(&places, path.map(|_| (views, text)), problems);
    let assembled = files.assemble(None);
    problems.extend(assembled.problems.iter().cloned());
    Some(ServerConfig {
        listen,
        data_dir,
        timezone: zone,
        allowed_origins,
        auth,
        tls,
        host_source: sources.host,
        simulators: sources.simulators,
        streams,
        retention,
        archive,
        limits,
        system,
        socketio,
        checkpoints,
        places,
        files,
        assembled,
        references,
    })
}

/// Reads a span such as `90s` or `30d`, as the command line gives one.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    values::span_us(&toml::Value::from(text)).map(|us| Duration::from_micros(us.unsigned_abs()))
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

/// `[system]`: what the server measures of itself.
fn system(root: &mut Reader<'_>, file: &str, problems: &mut Vec<Problem>) -> SystemRecord {
    let Some(table) = root.table("system", problems) else { return SystemRecord::default() };
    let mut system = Reader::new(file, "system", table);
    let record = system.read("record", problems, |value| match value.as_str() {
        Some("always") => Ok(SystemRecord::Always),
        Some("followed") => Ok(SystemRecord::WhileFollowed),
        _ => Err(wrong("`always` or `followed`", value)),
    });
    system.finish(problems);
    record.unwrap_or_default()
}

/// Reads `[views]`.
fn views(root: &mut Reader<'_>, zone: Tz, problems: &mut Vec<Problem>) -> Vec<NamedView> {
    let tables = root.named_tables("views", problems);
    tables.into_iter().filter_map(|(name, view)| read_view(&name, view, zone, problems)).collect()
}

/// Reads one view.
fn read_view(name: &str, mut view: Reader<'_>, zone: Tz, problems: &mut Vec<Problem>) -> Option<NamedView> {
    let sql = view.required("sql", ": a view is a query", problems);
    let timezone = view.read("timezone", problems, timezone).unwrap_or(zone);
    let name = ViewName::new(name);
    match (&name, &sql) {
        (Ok(name), Some(sql)) => check_query(&view, &format!("view `{name}`"), sql, problems),
        (Err(error), _) => view.problem("", error.to_string(), problems),
        _ => {}
    }
    view.finish(problems);
    let spec = QuerySpec { sql: sql?, timezone, params: Params::new() };
    Some(NamedView { name: name.ok()?, spec, origin: Origin::Configured })
}

/// Text that is not one query is wrong whatever streams come; everything else shows when it runs.
fn check_query(reader: &Reader<'_>, whose: &str, sql: &str, problems: &mut Vec<Problem>) {
    if let Err(error) = check_sql(sql) {
        reader.problem("sql", format!("{whose}: {}", sentence(&error.message, error.at)), problems);
    }
}

#[cfg(test)]
mod panel_tests;
#[cfg(test)]
mod shipped_tests;
#[cfg(test)]
mod tests;
