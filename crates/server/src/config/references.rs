//! `[references.NAME]`: files whose rows are tables that queries may join.

use std::path::Path;

use pulseboard_gateway::StreamConfigs;
use pulseboard_model::StreamName;
use pulseboard_model::schema::is_reserved;
use pulseboard_sources::reference::{DELETED, FileFormat, ReferenceConfig};

use super::reader::{Problem, Reader};

/// Reads all of them; relative files begin at `dir`. That a file is not there yet is no problem of the configuration.
pub(super) fn read_references(
    root: &mut Reader<'_>,
    dir: &Path,
    streams: &StreamConfigs,
    problems: &mut Vec<Problem>,
) -> Vec<ReferenceConfig> {
    let mut references: Vec<ReferenceConfig> = Vec::new();
    for (name, mut reference) in root.named_tables("references", problems) {
        let file = reference.required("file", ": the CSV or Parquet file that holds the rows", problems);
        let key = reference.required("key", ": the column that tells rows apart", problems);
        let stream = StreamName::new(format!("ref_{name}"));
        if let Err(error) = &stream {
            reference.problem("", error.to_string(), problems);
        }
        let file = file.map(|file| dir.join(file));
        if file.as_ref().is_some_and(|file| FileFormat::of(file).is_none()) {
            reference.problem("file", "must end in `.csv` or `.parquet`", problems);
        }
        if key.as_ref().is_some_and(|key| key.is_empty() || key == DELETED || is_reserved(key)) {
            reference.problem("key", "must be the name of a column of the file", problems);
        }
        if let (Ok(stream), Some(file), Some(key)) = (stream, file, key) {
            let config = streams.of(&stream);
            if config.time_field.is_some() {
                let what = format!("has no use: the rows of `{stream}` are as new as their loading");
                root_problem(&reference, &format!("streams.{stream}.time_field"), &what, problems);
            }
            if config.fields.iter().any(|(field, _)| field == DELETED) {
                let what = format!("cannot be declared: `{stream}` marks with it rows that are gone");
                root_problem(&reference, &format!("streams.{stream}.fields.{DELETED}"), &what, problems);
            }
            references.push(ReferenceConfig { name, stream, file, key });
        }
        reference.finish(problems);
    }
    references
}

fn root_problem(reference: &Reader<'_>, key: &str, what: &str, problems: &mut Vec<Problem>) {
    reference.problem("", format!("`{key}` {what}"), problems);
}
