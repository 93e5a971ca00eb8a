//! What is wrong with a row, with its path built from the inside out.

use super::api::RowError;

/// The longest path and the longest quoted text in a reason, in characters: what a client sent is quoted in part only.
const QUOTED_CHARS_MAX: usize = 200;

/// Why a row is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    path: Option<String>,
    reason: String,
}

impl Fault {
    /// The row as a whole is at fault.
    pub(super) fn of_row(reason: impl Into<String>) -> Self {
        Self { path: None, reason: reason.into() }
    }

    /// A value is at fault; the callers on the way out say where it is.
    pub(super) fn of_value(reason: impl Into<String>) -> Self {
        Self { path: Some(String::new()), reason: reason.into() }
    }

    /// The field called `name` is at fault.
    pub(super) fn of_field(name: &str, reason: impl Into<String>) -> Self {
        Self::of_value(reason).in_field(name)
    }

    /// The fault is inside item `index` of a list.
    pub(super) fn in_item(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// The fault is inside the member `name` of a nested object.
    pub(super) fn in_member(self, name: &str) -> Self {
        self.within(&format!(".{}", quoted(name)))
    }

    /// The fault is inside the row's field `name`.
    pub(super) fn in_field(self, name: &str) -> Self {
        self.within(&quoted(name))
    }

    fn within(mut self, prefix: &str) -> Self {
        if let Some(path) = &mut self.path {
            path.insert_str(0, prefix);
        }
        self
    }

    pub(super) fn into_error(self, row: u64, raw: String) -> RowError {
        RowError { row, field: self.path.map(|path| quoted(&path)), reason: self.reason, raw }
    }
}

/// A text of the client's, shortened for an error.
pub(super) fn quoted(text: &str) -> String {
    let mut chars = text.chars();
    let mut shortened: String = chars.by_ref().take(QUOTED_CHARS_MAX).collect();
    if chars.next().is_some() {
        shortened.push('…');
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_from_the_inside_out() {
        let fault = Fault::of_value("expected int, found string").in_member("price").in_item(2).in_field("items");
        let expected = RowError {
            row: 7,
            field: Some("items[2].price".into()),
            reason: "expected int, found string".into(),
            raw: "{}".into(),
        };
        assert_eq!(fault.into_error(7, "{}".into()), expected);
        assert_eq!(Fault::of_row("too large").in_field("a").into_error(1, String::new()).field, None);
        let long = Fault::of_field(&"é".repeat(500), "unknown").into_error(1, String::new()).field.expect("a field");
        assert_eq!(long.chars().count(), QUOTED_CHARS_MAX + 1);
    }
}
