//! Names and identifiers as types, so that a stream's name is never passed where a view's is meant.
//!
//! Names are checked once, when they are made; everything behind the edge may rely on them.

use std::fmt;
use std::sync::Arc;

/// The longest stream or view name, in bytes.
pub const NAME_BYTES_MAX: usize = 120;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a valid {kind} name: use 1 to {NAME_BYTES_MAX} of the characters a-z, A-Z, 0-9, `_`, `-` and `.`, \
     starting with a letter or `_`"
)]
pub struct InvalidName {
    /// What was being named: `stream`, `view`, `board`.
    pub kind: &'static str,
    /// The text as it was given, shortened to the longest name.
    pub name: String,
}

/// Checks `text` against the rule for names.
///
/// # Errors
/// [`InvalidName`] that says what is allowed.
pub fn check_name(kind: &'static str, text: &str) -> Result<(), InvalidName> {
    let mut chars = text.chars();
    let head_ok = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let tail_ok = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if head_ok && tail_ok && text.len() <= NAME_BYTES_MAX {
        Ok(())
    } else {
        Err(InvalidName { kind, name: text.chars().take(NAME_BYTES_MAX).collect() })
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// [`InvalidName`] that says what is allowed.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                check_name($kind, text.as_ref())?;
                Ok(Self(Arc::from(text.as_ref())))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// The name of a stream of events.
    StreamName,
    "stream"
);
name_type!(
    /// The name of a saved view.
    ViewName,
    "view"
);

/// The stable, opaque key of one row of a result. Clients compare it for equality only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey(Arc<str>);

impl RowKey {
    /// Wraps a key text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One running instance of a query: shared by everyone who asks the same question. Never reused within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_when_it_is_made() {
        for good in ["orders", "_x", "a.b-c_1", "Z9"] {
            assert!(StreamName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "a b", "ü", "a/b", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(StreamName::new(bad).is_err(), "{bad}");
        }
        assert!(ViewName::new("a b").expect_err("space").to_string().contains("view name"));
    }
}
