//! The streams of the simulated shop. The board `shop` depends on these names.

use pulseboard_model::FieldType::{Bool, Decimal, Int, String as Text, Time};

use super::super::sheet::Shape;

/// Where each stands in [`STREAMS`].
pub(super) const VISITS: usize = 0;
pub(super) const CARTS: usize = 1;
pub(super) const ORDERS: usize = 2;
pub(super) const ITEMS: usize = 3;
pub(super) const PAYMENTS: usize = 4;
pub(super) const STOCK: usize = 5;

/// Money is in euros, exact; `ms` are milliseconds.
pub(in super::super) const STREAMS: [Shape; 6] = [
    Shape {
        name: "visits",
        fields: &[
            ("visitor", Text),
            ("page", Text),
            ("product", Text),
            ("device", Text),
            ("country", Text),
            ("channel", Text),
            ("ms", Int),
        ],
    },
    // One row for each thing that happens to a line of a cart: added, checkout, paid, abandoned.
    Shape {
        name: "carts",
        fields: &[("cart", Text), ("event", Text), ("product", Text), ("qty", Int), ("value", Decimal(12, 2))],
    },
    // One row for each status of an order: placed, retry, paid, packed, shipped, or failed, cancelled.
    Shape {
        name: "orders",
        fields: &[
            ("order_id", Text),
            ("status", Text),
            ("placed", Time),
            ("customer", Text),
            ("country", Text),
            ("summary", Text),
            ("items", Int),
            ("total", Decimal(12, 2)),
            ("sale", Bool),
        ],
    },
    // What was in the orders that were paid.
    Shape {
        name: "order_items",
        fields: &[
            ("order_id", Text),
            ("product", Text),
            ("category", Text),
            ("qty", Int),
            ("price", Decimal(12, 2)),
            ("total", Decimal(12, 2)),
        ],
    },
    // One row for each attempt: paid, declined or error.
    Shape {
        name: "payments",
        fields: &[
            ("order_id", Text),
            ("provider", Text),
            ("status", Text),
            ("reason", Text),
            ("attempt", Int),
            ("amount", Decimal(12, 2)),
            ("ms", Int),
        ],
    },
    // One row for each change: what is left then, and of how many. Reasons: sale, delivery, count.
    Shape {
        name: "stock",
        fields: &[
            ("product", Text),
            ("category", Text),
            ("stock", Int),
            ("change", Int),
            ("reason", Text),
            ("capacity", Int),
        ],
    },
];
