//! Named places where a test makes the process die or an operation fail.
//!
//! [`point`] stands beside every step that a crash must not catch half-done. Nothing happens there, at the cost of one
//! load, unless the environment names the place: `PULSEBOARD_FAULT=journal.seal.index=abort` kills the process there,
//! `journal.seal.index:3=error` makes the third passage fail, and a comma joins several. Points are compiled in always,
//! so that what is tested is what is shipped; they know nothing of what they stand beside.

use std::io;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::error;

/// The environment variable that names the faults, read once.
pub const VARIABLE: &str = "PULSEBOARD_FAULT";

static FAULTS: LazyLock<Result<Faults, FaultError>> = LazyLock::new(|| match std::env::var_os(VARIABLE) {
    None => Ok(Faults::default()),
    Some(text) => text.to_string_lossy().parse(),
});

/// The variable cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` in {VARIABLE} is not a fault; write `stage=abort`, `stage=error`, or `stage:n=…` for the n-th passage (from 1)"
)]
pub struct FaultError(String);

/// What happens at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The process ends at once, as by `kill -9`: no destructor runs and nothing is flushed.
    Abort,
    /// Whoever passes gets an I/O error.
    Error,
}

#[derive(Debug)]
struct Fault {
    stage: String,
    /// At which passage, from 1; only there.
    passage: u64,
    action: Action,
    passed: AtomicU64,
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let refused = || FaultError(text.to_owned());
        let (place, action) = text.split_once('=').ok_or_else(refused)?;
        let action = match action {
            "abort" => Action::Abort,
            "error" => Action::Error,
            _ => return Err(refused()),
        };
        let (stage, passage) = match place.split_once(':') {
            None => (place, 1),
            Some((stage, passage)) => (stage, passage.parse().map_err(|_| refused())?),
        };
        if stage.is_empty() || passage == 0 {
            return Err(refused());
        }
        Ok(Self { stage: stage.to_owned(), passage, action, passed: AtomicU64::new(0) })
    }
}

#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl FromStr for Faults {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let faults = text.split(',').map(str::trim).filter(|fault| !fault.is_empty());
        faults.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Faults {
    /// What is due at this passage of `stage`.
    fn due(&self, stage: &str) -> Option<Action> {
        self.0.iter().filter(|fault| fault.stage == stage).fold(None, |due, fault| {
            // Each counts every passage, whatever another does there.
            let passage = fault.passed.fetch_add(1, Ordering::SeqCst) + 1;
            due.or((passage == fault.passage).then_some(fault.action))
        })
    }
}

/// Checks that the environment's faults can be read, so that a slip of the pen does not pass for a test without faults.
///
/// # Errors
/// [`FaultError`] names what cannot be read.
pub fn check() -> Result<(), FaultError> {
    FAULTS.as_ref().map(drop).map_err(Clone::clone)
}

/// A place where the environment may ask for a fault. `stage` is `crate.operation.step`.
///
/// # Errors
/// An I/O error if one was asked for here.
pub fn point(stage: &'static str) -> io::Result<()> {
    let Ok(faults) = FAULTS.as_ref() else { return Ok(()) };
    if faults.0.is_empty() {
        return Ok(());
    }
    match faults.due(stage) {
        None => Ok(()),
        Some(Action::Error) => {
            error!(stage, "the fault that was asked for: an error");
            Err(io::Error::other(format!("the fault asked for at `{stage}`")))
        }
        Some(Action::Abort) => {
            error!(stage, "the fault that was asked for: the end of the process");
            std::process::abort()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_fault_comes_at_its_passage_and_only_there() {
        let faults: Faults = "a.b:2=error, a.c=abort, a.b:3=abort".parse().unwrap();
        let at_b = [faults.due("a.b"), faults.due("a.b"), faults.due("a.b"), faults.due("a.b")];
        assert_eq!(at_b, [None, Some(Action::Error), Some(Action::Abort), None]);
        assert_eq!([faults.due("a"), faults.due("a.c"), faults.due("a.c")], [None, Some(Action::Abort), None]);
    }

    #[test]
    fn what_is_no_fault_is_named() {
        for text in ["a", "a=stop", "a:0=abort", "a:x=abort", "=abort"] {
            let refused = format!("ok=abort,{text}").parse::<Faults>().unwrap_err();
            assert_eq!(refused, FaultError(text.to_owned()));
        }
    }

    /// The child's part of the test below. When it is not run as the child, all three are passed.
    #[test]
    fn the_child_passes_three_times() {
        let passed: Vec<bool> = (0..3).map(|_| point("runtime.test").is_ok()).collect();
        println!("passed {passed:?}");
    }

    #[test]
    fn the_environment_asks_for_faults() {
        let child = |fault: &str| {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "fault::tests::the_child_passes_three_times", "--nocapture"])
                .env(VARIABLE, fault)
                .output()
                .unwrap();
            (output.status.success(), String::from_utf8(output.stdout).unwrap().contains("passed [true, false, true]"))
        };
        assert_eq!(child("runtime.test:2=error"), (true, true));
        assert_eq!(child("runtime.test:2=abort"), (false, false));
        assert_eq!(child("runtime.other=abort"), (true, false));
    }
}
