//! Files as they come, against what is in the stream already.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Int32Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::ArrowWriter;
use pulseboard_model::FieldType;
use tempfile::TempDir;

use super::*;

/// A file, and the stream it is loaded into.
struct Bench {
    dir: TempDir,
    config: ReferenceConfig,
    stream: StreamConfig,
    schema: Option<Arc<StreamSchema>>,
    log: Vec<RecordBatch>,
}

impl Bench {
    fn new(file: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = ReferenceConfig {
            name: "p".to_owned(),
            stream: StreamName::new("ref_p").unwrap(),
            file: dir.path().join(file),
            key: "id".to_owned(),
        };
        Self { dir, config, stream: StreamConfig::default(), schema: None, log: Vec::new() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(&self.config.file)
    }

    fn load(&self) -> Result<Changes, ReferenceError> {
        load(&self.config, &self.stream, self.schema.as_deref(), self.log.iter().cloned(), TimeUs(0))
    }

    /// Loads the file as `text` and keeps what changed: how many rows were new or other, and how many are gone.
    fn keep(&mut self, text: &str) -> (usize, usize) {
        std::fs::write(self.path(), text).unwrap();
        let changes = self.load().unwrap();
        self.schema = Some(changes.schema);
        self.log.push(changes.rows);
        (changes.upserts, changes.tombstones)
    }

    fn refused(&self, text: &str) -> String {
        std::fs::write(self.path(), text).unwrap();
        self.load().unwrap_err().to_string()
    }
}

#[test]
fn only_what_is_other_is_written() {
    let mut bench = Bench::new("p.csv");
    assert_eq!(bench.keep("id,name,price\n1,Flask,2\n2,Cup,3.5\n3,,\n"), (3, 0));
    assert_eq!(bench.keep("id,name,price\n1,Flask,2\n2,Cup,3.5\n3,,\n"), (0, 0), "a restart writes nothing");
    assert_eq!(
        bench.keep("price,id,name\n2,1,Flask\n3.50,2,Cup\n"),
        (0, 1),
        "the order of columns and digits says nothing"
    );
    assert_eq!(
        bench.keep("id,name,price,colour\n1,Flask,2,red\n2,Cup,3.5,\n4,Pan,9,\n"),
        (2, 0),
        "a new column, a new row"
    );
    assert_eq!(bench.keep("id,name,price,colour\n3,,,\n"), (1, 3), "what was gone comes back");
    assert_eq!(bench.keep("id,name\n"), (0, 1));
    let tombstones = bench.log.last().unwrap();
    let nulls: Vec<usize> = tombstones.columns().iter().map(|column| column.null_count()).collect();
    let names: Vec<_> = tombstones.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["time", "_source_time", "id", "name", "price", "_deleted", "colour"]);
    assert_eq!(nulls, [1, 1, 0, 1, 1, 0, 1], "a tombstone is its key and its mark");
    assert!(tombstones.column_by_name(DELETED).unwrap().as_boolean().value(0));
}

#[test]
fn types_are_declared_or_known_or_looked_up_in_the_whole_file() {
    let mut bench = Bench::new("p.csv");
    bench.stream.fields = vec![("cost".to_owned(), FieldType::Decimal(8, 2)), ("since".to_owned(), FieldType::Time)];
    bench.keep("id,code,n,ok,cost,since,none\nA,007,1,TRUE,1.50,2026-03-01 12:00:00,\nB,12,2.5,false,2,1770000000,\n");
    let schema = bench.schema.clone().unwrap();
    let types: Vec<_> = schema.fields.iter().map(|field| format!("{} {}", field.name, field.field_type)).collect();
    let expected =
        ["cost decimal(8,2)", "since time", "id string", "code string", "n float", "ok bool", "_deleted bool"];
    assert_eq!(types, expected);
    // What is a text in the stream stays one, also when all of it now looks like numbers.
    assert_eq!(bench.keep("id,code,n\nA,7,1\nB,12,2\n"), (2, 0));
    assert_eq!(bench.schema.as_ref().unwrap().field("code").unwrap().field_type, FieldType::String);
}

#[test]
fn a_file_that_is_wrong_anywhere_is_named_and_changes_nothing() {
    let mut bench = Bench::new("p.csv");
    bench.keep("id,price\n1,2\n");
    for (text, says) in [
        ("", "names of its columns"),
        ("id,price\n1,2\n2,much\n", "row 2 is wrong: `price`: "),
        ("id,price\n1,2\n1,3\n", "row 2 has the same `id` as row 1: 1"),
        ("id,price\n1,2\n,3\n", "row 2 has no `id`"),
        ("id,price\n1,2\n2\n", "cannot be read: "),
        ("nr,price\n1,2\n", "column `id` is the key, and the file does not have it; it has nr, price"),
        ("id,_deleted\n1,true\n", "column `_deleted` is how"),
        ("id,time\n1,2\n", "column `time` is a column that the server fills"),
        ("id,a,a\n1,2,3\n", "column `a` is there twice"),
        ("id,\n1,2\n", "column `` has no name"),
    ] {
        let refused = bench.refused(text);
        assert!(refused.contains(says), "{text:?}: {refused}");
    }
}

#[test]
fn parquet_says_its_types() {
    let mut bench = Bench::new("p.parquet");
    let write = |path: PathBuf, columns: Vec<(&str, ArrayRef)>| {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    let price = Decimal128Array::from(vec![1_250, 300]).with_precision_and_scale(10, 2).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2]))),
        ("name", Arc::new(StringArray::from(vec!["1", "2"]))),
        ("price", Arc::new(price)),
        ("day", Arc::new(Date32Array::from(vec![0, 20_000]))),
        ("sold", Arc::new(BooleanArray::from(vec![true, false]))),
    ];
    write(bench.path(), columns);
    let changes = bench.load().unwrap();
    let types: Vec<_> = changes.schema.fields.iter().map(|field| field.field_type.to_string()).collect();
    // What has a declared type comes first in a new stream, as with everything that is sent.
    assert_eq!(types, ["decimal(10,2)", "time", "int", "string", "bool", "bool"]);
    assert_eq!(changes.rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec(), [1, 2]);
    assert_eq!(changes.rows.column_by_name("price").unwrap().data_type(), &DataType::Decimal128(10, 2));
    (bench.schema, bench.log) = (Some(changes.schema), vec![changes.rows]);
    assert_eq!(bench.load().unwrap().rows.num_rows(), 0);
    std::fs::write(bench.path(), "PAR1 and no more").unwrap();
    assert!(bench.load().is_err());
}

#[test]
fn a_file_is_taken_once_it_stands_still() {
    let bench = Bench::new("p.csv");
    let mut watch = FileWatch::new(&bench.path());
    assert!(watch.look().is_err());
    std::fs::write(bench.path(), "id\n1\n").unwrap();
    assert_eq!(watch.look().unwrap(), Look::Changing);
    std::fs::write(bench.path(), "id\n1\n22\n").unwrap();
    assert_eq!(watch.look().unwrap(), Look::Changing);
    let Look::Ready(stamp) = watch.look().unwrap() else { panic!("it stands still") };
    assert!(watch.is_still(&stamp));
    watch.take(stamp);
    assert_eq!(watch.look().unwrap(), Look::Unchanged);
    std::fs::write(bench.path(), "id\n1\n22\n333\n").unwrap();
    assert!(!watch.is_still(&stamp));
    assert_eq!(watch.look().unwrap(), Look::Changing);
}
