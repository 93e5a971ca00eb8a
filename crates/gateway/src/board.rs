//! A board: panels that show channels, the variables that their queries take, the pace of its frames.

use std::collections::BTreeMap;

use pulseboard_model::{ColumnType, ViewName};
use pulseboard_protocol::Pace;
use pulseboard_protocol::error::{ApiError, Code};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::catalog::{Origin, nearest};

/// A panel that shows a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardPanel {
    /// Its id on the board.
    pub id: String,
    /// The view behind it.
    pub view: ViewName,
    /// The variables that its view takes as parameters.
    pub variables: Vec<String>,
}

/// Something that whoever looks at a board may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardVariable {
    /// Its name: `$name` in the panels' queries, `?name=` in the channel.
    pub name: String,
    /// What its values are: string, int, float, bool or time.
    pub value_type: ColumnType,
    /// What it is when nobody chose.
    pub default: Option<String>,
    /// What may be chosen; anything of its type if there is nothing.
    pub options: Vec<String>,
}

/// A board of the configuration.
#[derive(Debug, Clone)]
pub struct Board {
    /// Its id, as in URLs.
    pub id: String,
    /// Its definition as clients read it, panels with their channels.
    pub definition: Value,
    /// The panels that show data.
    pub panels: Vec<BoardPanel>,
    /// What can be chosen.
    pub variables: Vec<BoardVariable>,
    /// How often its frames leave at most.
    pub pace: Pace,
    /// Whose it is.
    pub origin: Origin,
}

impl Board {
    /// Hash of the definition.
    #[must_use]
    pub fn definition_hash(&self) -> String {
        format!("{:016x}", xxh3_64(self.definition.to_string().as_bytes()))
    }

    /// Whether all of these may be chosen.
    ///
    /// # Errors
    /// [`Code::BadParams`] that names the variable and what is allowed.
    pub(crate) fn check_variables(&self, chosen: &BTreeMap<String, String>) -> Result<(), ApiError> {
        let bad = |message: String| ApiError::new(Code::BadParams, message);
        if let Some(unknown) = chosen.keys().find(|name| !self.variables.iter().any(|known| known.name == **name)) {
            let known: Vec<&str> = self.variables.iter().map(|variable| variable.name.as_str()).collect();
            let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let error = bad(format!("board `{}` has no variable `{unknown}` (it has {has})", self.id));
            return Err(error.with("nearest", nearest(unknown, known)));
        }
        let chosen = self.variables.iter().filter_map(|variable| Some((variable, chosen.get(&variable.name)?)));
        chosen.into_iter().try_for_each(|(variable, value)| variable.check(value)).map_err(bad)
    }

    /// The values of all variables: what was chosen, else the defaults.
    ///
    /// # Errors
    /// [`Code::BadParams`] that names the variable and what is allowed.
    pub(crate) fn bind(&self, chosen: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
        let bad = |message: String| ApiError::new(Code::BadParams, message);
        self.check_variables(chosen)?;
        let mut bound = BTreeMap::new();
        for variable in &self.variables {
            let Some(value) = chosen.get(&variable.name).or(variable.default.as_ref()) else {
                let (board, name) = (&self.id, &variable.name);
                return Err(bad(format!("board `{board}` needs its variable `{name}`: `board:{board}?{name}=…`")));
            };
            variable.check(value).map_err(bad)?;
            bound.insert(variable.name.clone(), value.clone());
        }
        Ok(bound)
    }
}

impl BoardVariable {
    /// Whether `value` may be chosen.
    ///
    /// # Errors
    /// What is wrong and what is allowed.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let shown: String = value.chars().take(60).collect();
        if !self.options.is_empty() && !self.options.iter().any(|option| option == value) {
            return Err(format!("`{}` is one of {}, not `{shown}`", self.name, self.options.join(", ")));
        }
        let fits = match self.value_type {
            ColumnType::Int => value.parse::<i64>().is_ok(),
            ColumnType::Float => value.parse::<f64>().is_ok_and(f64::is_finite),
            ColumnType::Bool => matches!(value, "true" | "false"),
            // How a time is written depends on its place and zone: the query reads it.
            _ => true,
        };
        if fits { Ok(()) } else { Err(format!("`{}` must be of type {}, not `{shown}`", self.name, self.value_type)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variable(name: &str, value_type: ColumnType, default: Option<&str>, options: &[&str]) -> BoardVariable {
        let options = options.iter().map(ToString::to_string).collect();
        BoardVariable { name: name.to_owned(), value_type, default: default.map(str::to_owned), options }
    }

    #[test]
    fn variables_are_what_was_chosen_or_their_defaults() {
        let variables = vec![
            variable("symbol", ColumnType::String, Some("AAPL"), &["AAPL", "NVDA"]),
            variable("least", ColumnType::Int, None, &[]),
        ];
        let (id, definition, panels) = ("b".to_owned(), json!({}), Vec::new());
        let board = Board { id, definition, panels, variables, pace: Pace::default(), origin: Origin::Configured };
        let bind = |chosen: &[(&str, &str)]| {
            let chosen = chosen.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            board.bind(&chosen).map_err(|error| error.message)
        };
        let bound = bind(&[("least", "7")]).expect("both have a value");
        assert_eq!((bound["symbol"].as_str(), bound["least"].as_str()), ("AAPL", "7"));
        for (chosen, says) in [
            (&[("least", "7"), ("symbol", "MSFT")][..], "one of AAPL, NVDA, not `MSFT`"),
            (&[("least", "many")], "must be of type int, not `many`"),
            (&[], "needs its variable `least`"),
            (&[("least", "7"), ("symbl", "AAPL")], "no variable `symbl` (it has symbol, least)"),
        ] {
            let message = bind(chosen).expect_err(says);
            assert!(message.contains(says), "{message}");
        }
    }
}
