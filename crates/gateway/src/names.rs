//! What names stand for at one moment: views and boards, and where each is kept.
//!
//! A change of any file makes another one; whoever holds the old one reads on in it. Nothing here runs a query.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulseboard_live::InstanceRef;
use pulseboard_model::ViewName;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::ProblemAnswer;

use crate::board::Board;
use crate::catalog::{NamedView, Origin, nearest};

/// Where a definition is kept, and what is to be said of that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// Its file's text, if it has a file of its own.
    pub text: Option<Arc<str>>,
    /// Hash of that text.
    pub hash: Option<String>,
    /// Why it cannot be changed through the API; nothing if it can.
    pub read_only: Option<String>,
    /// What is wrong with the file as it is now. What counts meanwhile is what it said before.
    pub problems: Vec<ProblemAnswer>,
}

/// Everything that is defined, as files and configuration say it.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    /// Named views, those of boards included.
    pub views: Vec<NamedView>,
    /// Boards.
    pub boards: Vec<Board>,
    /// Where views are kept. A view that is not in here has no file of its own.
    pub kept_views: BTreeMap<ViewName, Kept>,
    /// Where boards are kept.
    pub kept_boards: BTreeMap<String, Kept>,
    /// All that is wrong with any file, those included that define nothing yet.
    pub problems: Vec<ProblemAnswer>,
}

#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) view: NamedView,
    pub(crate) kept: Kept,
    /// Keeps the view running whether anyone looks or not. One with open parameters runs only for who gives them.
    pub(crate) running: Option<Arc<InstanceRef>>,
}

/// The names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    views: BTreeMap<ViewName, Held>,
    boards: BTreeMap<String, (Board, Kept)>,
    problems: Vec<ProblemAnswer>,
}

impl Names {
    /// Those of `definitions`; `run` starts what runs by itself.
    pub(crate) fn new(definitions: Definitions, mut run: impl FnMut(&NamedView) -> Option<Arc<InstanceRef>>) -> Self {
        let Definitions { views, boards, mut kept_views, mut kept_boards, problems } = definitions;
        let views = views.into_iter().map(|view| {
            let running = run(&view);
            let kept = kept_views.remove(&view.name).unwrap_or_default();
            (view.name.clone(), Held { view, kept, running })
        });
        let boards = boards.into_iter().map(|board| {
            let kept = kept_boards.remove(&board.id).unwrap_or_default();
            (board.id.clone(), (board, kept))
        });
        Self { views: views.collect(), boards: boards.collect(), problems }
    }

    /// All named views of the configuration.
    pub(crate) fn views(&self) -> impl Iterator<Item = &Held> {
        self.views.values().filter(|held| held.view.origin == Origin::Configured)
    }

    /// All views that run by themselves.
    pub(crate) fn running(&self) -> impl Iterator<Item = (&NamedView, &Arc<InstanceRef>)> {
        self.views.values().filter_map(|held| Some((&held.view, held.running.as_ref()?)))
    }

    /// All boards of the configuration.
    pub(crate) fn boards(&self) -> impl Iterator<Item = &(Board, Kept)> {
        self.boards.values().filter(|(board, _)| board.origin == Origin::Configured)
    }

    /// All boards, the server's own too.
    pub(crate) fn all_boards(&self) -> impl Iterator<Item = &Board> {
        self.boards.values().map(|(board, _)| board)
    }

    /// All that is wrong with any file.
    pub(crate) fn problems(&self) -> &[ProblemAnswer] {
        &self.problems
    }

    /// One board.
    pub(crate) fn board(&self, id: &str) -> Result<&(Board, Kept), ApiError> {
        self.boards.get(id).ok_or_else(|| {
            let nearest = nearest(id, self.boards.keys().map(String::as_str));
            ApiError::unknown(Code::UnknownBoard, "board", id, nearest)
        })
    }

    /// One view.
    pub(crate) fn view(&self, name: &str) -> Result<&Held, ApiError> {
        self.views.get(name).ok_or_else(|| {
            let nearest = nearest(name, self.views.keys().map(ViewName::as_str));
            ApiError::unknown(Code::UnknownView, "view", name, nearest)
        })
    }
}
