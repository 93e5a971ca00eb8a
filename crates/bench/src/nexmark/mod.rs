//! Nexmark: an auction house as three streams, and its queries in our SQL.
//!
//! Events come from the `nexmark` crate. Each query is a file in `queries/`, whose first lines say what it asks and
//! where it differs from the original. Knows nothing of servers.

mod events;

pub(crate) use events::Auctions;

/// A query, and what its throughput should be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) sql: &'static str,
    /// Whether it joins streams, for which the floor is lower.
    pub(crate) joins: bool,
}

macro_rules! question {
    ($name:literal, $about:literal) => {
        question!($name, $about, false)
    };
    ($name:literal, $about:literal, $joins:literal) => {
        Question { name: $name, about: $about, sql: include_str!(concat!("queries/", $name, ".sql")), joins: $joins }
    };
}

/// All of them but q10, which writes files.
pub(crate) const QUESTIONS: [Question; 22] = [
    question!("q0", "pass through"),
    question!("q1", "currency conversion"),
    question!("q2", "selection"),
    question!("q3", "local item suggestion"),
    question!("q4", "average price for a category", true),
    question!("q5", "hot items"),
    question!("q6", "average selling price by seller", true),
    question!("q7", "highest bid"),
    question!("q8", "monitor new users"),
    question!("q9", "winning bids", true),
    question!("q11", "user sessions"),
    question!("q12", "processing time windows"),
    question!("q13", "bounded side input join"),
    question!("q14", "calculation"),
    question!("q15", "bidding statistics"),
    question!("q16", "channel statistics"),
    question!("q17", "auction statistics"),
    question!("q18", "last bid"),
    question!("q19", "ten best bids of an auction"),
    question!("q20", "expand bid with auction", true),
    question!("q21", "add channel id"),
    question!("q22", "URL directories"),
];
