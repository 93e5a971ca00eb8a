//! Puts the archive behind the log. One that cannot be opened holds nothing up: its thread tries again.

use std::sync::Arc;

use pulseboard_archive::{Archive, ArchiveConfig, ArchivedLog, MergeRules};
use pulseboard_journal::EmbeddedLog;
use pulseboard_runtime::{Clock, Tasks};
use tracing::warn;

use crate::app::StartError;
use crate::config::ServerConfig;

/// Opens the archive of `log` and starts its thread; `None` if the configuration wants none.
///
/// # Errors
/// When its place cannot be understood, or the system has no thread left.
pub(crate) async fn open(
    config: &ServerConfig,
    log: Arc<EmbeddedLog>,
    clock: Arc<dyn Clock>,
    tasks: &Tasks,
) -> Result<Option<ArchivedLog>, StartError> {
    let settings = &config.archive;
    if !settings.enabled {
        return Ok(None);
    }
    let defaults = ArchiveConfig::new(&config.data_dir);
    let archive_config = ArchiveConfig {
        url: settings.url.clone().unwrap_or_else(|| defaults.url.clone()),
        merge: settings.merge.then(MergeRules::default),
        retention: config.retention.clone(),
        ..defaults
    };
    let refused = |error: String| StartError(vec![format!("archive: {error}")]);
    let archive = Archive::new(archive_config, tasks).map_err(|error| refused(error.to_string()))?;
    let archive = Arc::new(archive);
    let (opening, opened_log) = (archive.clone(), log.clone());
    // Before the engine reads: what the archive holds is history from the first query on.
    let opened = tokio::task::spawn_blocking(move || opening.open(opened_log.as_ref())).await;
    match opened {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "the archive cannot be opened yet; it is tried again"),
        Err(error) => return Err(refused(error.to_string())),
    }
    pulseboard_archive::spawn(archive.clone(), log.clone(), clock, tasks)
        .map_err(|error| refused(error.to_string()))?;
    Ok(Some(ArchivedLog::new(log, archive)))
}
