//! What `ref.NAME` stands for.

use pulseboard_model::FieldType;

use super::{Empty, columns, plan, spec};
use crate::api::QueryErrorKind;

const FIELDS: [(&str, FieldType); 4] = [
    ("id", FieldType::Int),
    ("Name of it", FieldType::String),
    ("_deleted", FieldType::Bool),
    ("price", FieldType::Float),
];

fn shop() -> Empty {
    let orders = [("product", FieldType::Int), ("qty", FieldType::Int)];
    Empty::default().with("ref_products", &FIELDS).with("orders", &orders)
}

#[test]
fn the_table_has_the_files_columns_and_is_called_by_its_name() {
    assert_eq!(columns("SELECT * FROM ref.products", shop()), ["id", "Name of it", "price"]);
    assert_eq!(columns("SELECT products.price FROM REF.Products WHERE products.id > 1", shop()), ["price"]);
    let sql = "SELECT o.qty, p.\"Name of it\" FROM orders o LEFT JOIN ref.products AS p ON o.product = p.id";
    assert_eq!(columns(sql, shop()), ["qty", "Name of it"]);
    assert_eq!(columns("SELECT _deleted, time FROM ref_products", shop()), ["_deleted", "time"]);
    assert!(plan(&spec("SELECT p.price FROM ref.products p"), &shop()).expect("planned").query.has_wildcard);
}

#[test]
fn what_is_no_reference_is_what_it_was() {
    // A stream that is really called so wins.
    let both = shop().with("ref.products", &[("other", FieldType::Int)]);
    assert_eq!(columns("SELECT * FROM ref.products", both), ["time", "other"]);
    let refused = |history: &Empty, sql: &str| plan(&spec(sql), history).map(|_| ()).expect_err(sql).kind;
    assert_eq!(refused(&shop(), "SELECT * FROM ref.customers"), QueryErrorKind::UnknownStream);
    // Nothing is loaded yet: whoever asks waits.
    let declared = Empty::default().with("ref_products", &FIELDS[..2]);
    assert_eq!(refused(&declared, "SELECT * FROM ref.products"), QueryErrorKind::UnknownStream);
}
