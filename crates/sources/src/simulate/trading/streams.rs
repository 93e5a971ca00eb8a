//! The streams of the simulated trading desk. The board `trading` depends on these names.

use pulseboard_model::FieldType::{Decimal, Float, Int, String as Text};

use super::super::sheet::Shape;

/// Where each stands in [`STREAMS`].
pub(super) const TICKS: usize = 0;
pub(super) const FILLS: usize = 1;
pub(super) const REVENUE: usize = 2;
pub(super) const COSTS: usize = 3;
pub(super) const LEDGER: usize = 4;
pub(super) const POLLS: usize = 5;

/// Prices and money are in dollars.
pub(in super::super) const STREAMS: [Shape; 6] = [
    // A trade, with the best prices around it.
    Shape {
        name: "ticks",
        fields: &[("symbol", Text), ("price", Float), ("bid", Float), ("ask", Float), ("size", Int), ("side", Text)],
    },
    // What the desk bought (above 0) and sold (below).
    Shape {
        name: "fills",
        fields: &[("symbol", Text), ("side", Text), ("qty", Int), ("price", Float), ("venue", Text)],
    },
    Shape { name: "desk_revenue", fields: MONEY },
    Shape { name: "desk_costs", fields: MONEY },
    Shape { name: "desk_ledger", fields: MONEY },
    // How each feed answered when it was asked: live, retry or failed.
    Shape { name: "feed_polls", fields: &[("feed", Text), ("status", Text), ("ms", Int), ("error", Text)] },
];

const MONEY: &[(&str, pulseboard_model::FieldType)] = &[("kind", Text), ("amount", Decimal(14, 2))];
