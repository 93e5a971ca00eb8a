//! Nexmark: an auction house as three streams, and its queries in our SQL.
//!
//! Events come from the `nexmark` crate. Each query is a file in `queries/`, whose first lines say what it asks and
//! where it differs from the original. Knows nothing of servers.

mod events;

pub(crate) use events::Auctions;

use crate::measured::Bound;

/// What a query does with its events, and so what it must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Filters, groups and windows of one stream.
    Plain,
    /// Small joins, or all that a window holds is looked at again.
    Parts,
    /// Bids by the million are joined with auctions.
    Joined,
}

impl Shape {
    /// Events a second and core.
    pub(crate) const fn bound(self) -> Bound {
        match self {
            Self::Plain => Bound::at_least(500_000.0, 10e6),
            Self::Parts => Bound::floor_of(500_000.0),
            Self::Joined => Bound::floor_of(100_000.0),
        }
    }
}

/// A query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) shape: Shape,
}

macro_rules! question {
    ($name:literal, $about:literal, $shape:ident) => {
        Question {
            name: $name,
            about: $about,
            sql: include_str!(concat!("queries/", $name, ".sql")),
            shape: Shape::$shape,
        }
    };
}

/// All of them but q10, which writes files.
pub(crate) const QUESTIONS: [Question; 22] = [
    question!("q0", "pass through", Plain),
    question!("q1", "currency conversion", Plain),
    question!("q2", "selection", Plain),
    question!("q3", "local item suggestion", Parts),
    question!("q4", "average price for a category", Joined),
    question!("q5", "hot items", Plain),
    question!("q6", "average selling price by seller", Parts),
    question!("q7", "highest bid", Plain),
    question!("q8", "monitor new users", Parts),
    question!("q9", "winning bids", Joined),
    question!("q11", "user sessions", Plain),
    question!("q12", "processing time windows", Plain),
    question!("q13", "bounded side input join", Parts),
    question!("q14", "calculation", Plain),
    question!("q15", "bidding statistics", Plain),
    question!("q16", "channel statistics", Plain),
    question!("q17", "auction statistics", Plain),
    question!("q18", "last bid", Plain),
    question!("q19", "ten best bids of an auction", Parts),
    question!("q20", "expand bid with auction", Joined),
    question!("q21", "add channel id", Plain),
    question!("q22", "URL directories", Plain),
];
