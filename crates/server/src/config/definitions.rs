//! Boards and views as they are kept in files: what each file said last, and what all of them say together.
//!
//! A file that cannot be read as what it is keeps what it said before. Reading is pure but for the files it reads; who
//! looks at them again, and when, is `crate::definitions`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono_tz::Tz;
use pulseboard_gateway::{Board, Definitions, Kept, NamedView, Origin};
use pulseboard_model::ViewName;
use toml::Table;

use super::board::{BoardFile, read_board};
use super::board_variables::bind_panels;
use super::files::unwritable;
use super::reader::{Problem, Reader};
use super::{read_view, syntax, views};

pub(crate) use super::files::{ENDING, files_in, hash_of, read_text, resolved_text, told};

/// Where definitions are kept, and how they are read.
#[derive(Debug, Clone)]
pub struct Places {
    /// The configuration, whose `[views]` are read again when it changes.
    pub config: Option<PathBuf>,
    /// The folder of board files. It may not exist yet.
    pub boards: PathBuf,
    /// The folder of view files. It may not exist yet.
    pub views: PathBuf,
    /// The zone of what names none.
    pub timezone: Tz,
    /// Boards that are there without a file: id, text, whose they are.
    pub shipped: Vec<(&'static str, &'static str, Origin)>,
}

impl Places {
    /// The file of a board.
    pub(crate) fn board(&self, id: &str) -> PathBuf {
        self.boards.join(format!("{id}.{ENDING}"))
    }

    /// The file of a view.
    pub(crate) fn view(&self, name: &str) -> PathBuf {
        self.views.join(format!("{name}.{ENDING}"))
    }
}

/// What one file says.
#[derive(Debug, Clone)]
pub(crate) struct Source<T> {
    /// Missing for what is shipped.
    pub(crate) path: Option<PathBuf>,
    pub(crate) text: Arc<str>,
    /// What it said when it could last be read.
    pub(crate) good: Option<T>,
    /// What is wrong with it as it is.
    pub(crate) problems: Vec<Problem>,
    /// Whether not even its text could be read.
    pub(crate) unreadable: bool,
}

impl<T> Source<T> {
    /// The file cannot be read at all: what it said stays.
    pub(crate) fn blame(&mut self, problem: Problem) {
        self.problems = vec![problem];
        self.unreadable = true;
    }

    /// The next text of the same file; what cannot be read leaves in place what was.
    pub(crate) fn next(before: Option<Self>, path: Option<PathBuf>, text: &str, read: Result<T, Vec<Problem>>) -> Self {
        let (good, problems) = match read {
            Ok(good) => (Some(good), Vec::new()),
            Err(problems) => (before.and_then(|before| before.good), problems),
        };
        Self { path, text: text.into(), good, problems, unreadable: false }
    }
}

/// What all files say, each for itself.
#[derive(Debug, Clone, Default)]
pub struct DefinitionSet {
    pub(crate) config: Option<Source<Vec<NamedView>>>,
    pub(crate) boards: BTreeMap<String, Source<BoardFile>>,
    pub(crate) views: BTreeMap<String, Source<NamedView>>,
}

impl DefinitionSet {
    /// Reads all files. `config` is what the configuration says of views, and its text.
    pub(super) fn read(places: &Places, config: Option<(Vec<NamedView>, String)>, problems: &mut Vec<Problem>) -> Self {
        let config = config.map(|(views, text)| Source {
            path: places.config.clone(),
            text: text.into(),
            good: Some(views),
            problems: Vec::new(),
            unreadable: false,
        });
        let mut set = Self { config, ..Self::default() };
        for (folder, is_board) in [(&places.boards, true), (&places.views, false)] {
            let files = match files_in(folder) {
                Ok(files) => files,
                Err(error) => {
                    let what = format!("cannot be read: {error}");
                    problems.push(Problem { file: folder.display().to_string(), key: String::new(), what });
                    continue;
                }
            };
            for (name, path) in files {
                let text = match read_text(&path) {
                    Ok(text) => text,
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                };
                if is_board {
                    set.take_board(places, &name, &text);
                } else {
                    set.take_view(places, &name, &text);
                }
            }
        }
        set.ship(places);
        set
    }

    /// Takes the text of a board's file.
    pub(crate) fn take_board(&mut self, places: &Places, id: &str, text: &str) {
        let path = places.board(id);
        let read = board_of(places, id, &path.display().to_string(), text);
        let before = self.boards.remove(id);
        self.boards.insert(id.to_owned(), Source::next(before, Some(path), text, read));
    }

    /// Takes the text of a view's file.
    pub(crate) fn take_view(&mut self, places: &Places, name: &str, text: &str) {
        let path = places.view(name);
        let read = view_of(places, name, &path.display().to_string(), text);
        let before = self.views.remove(name);
        self.views.insert(name.to_owned(), Source::next(before, Some(path), text, read));
    }

    /// Takes the text of the configuration: its `[views]`.
    pub(crate) fn take_config(&mut self, places: &Places, text: &str) {
        let Some(path) = places.config.clone() else { return };
        let file = path.display().to_string();
        let read = match text.parse::<Table>() {
            Ok(table) => {
                let (mut root, mut problems) = (Reader::new(&file, "", table), Vec::new());
                let read = views(&mut root, places.timezone, &mut problems);
                if problems.is_empty() { Ok(read) } else { Err(problems) }
            }
            Err(error) => Err(vec![syntax(&file, &error)]),
        };
        self.config = Some(Source::next(self.config.take(), Some(path), text, read));
    }

    /// Puts shipped boards where there is no file.
    pub(crate) fn ship(&mut self, places: &Places) {
        for (id, text, origin) in &places.shipped {
            if self.boards.contains_key(*id) {
                continue;
            }
            let read = board_of(places, id, &format!("boards/{id}.{ENDING}"), text).map(|mut read| {
                read.board.origin = *origin;
                read.views.iter_mut().for_each(|view| view.origin = *origin);
                read
            });
            self.boards.insert((*id).to_owned(), Source::next(None, None, text, read));
        }
    }

    /// What all say together. A board that does not fit the views as they are stays as it was in `before`, with its views.
    pub(crate) fn assemble(&self, before: Option<&Assembled>) -> Assembled {
        let mut found = Found::default();
        if let Some(config) = &self.config {
            found.problems.extend(config.problems.iter().cloned());
            for view in config.good.iter().flatten() {
                let problems = config.problems.iter().filter(|p| p.key.starts_with(&format!("views.{}", view.name)));
                let read_only = Some("it stands in the configuration".to_owned());
                let kept = Kept { read_only, problems: told(problems), ..Kept::default() };
                found.kept_views.insert(view.name.clone(), kept);
                found.views.insert(view.name.clone(), view.clone());
            }
        }
        for (name, source) in &self.views {
            found.take_view(name, source);
        }
        for (id, source) in &self.boards {
            for view in source.good.iter().flat_map(|file| &file.views) {
                found.clash(view, id);
                let read_only = Some(format!("it is a panel of board `{id}`"));
                found.kept_views.insert(view.name.clone(), Kept { read_only, ..Kept::default() });
                found.views.insert(view.name.clone(), view.clone());
            }
        }
        let mut boards = Vec::new();
        for (id, source) in &self.boards {
            found.take_board(id, source, before, &mut boards);
        }
        let problems = told(&found.problems);
        let definitions = Definitions {
            views: found.views.into_values().collect(),
            boards,
            kept_views: found.kept_views,
            kept_boards: found.kept_boards,
            problems,
        };
        Assembled { definitions, problems: found.problems }
    }
}

/// What all files say together.
#[derive(Debug, Clone, Default)]
pub struct Assembled {
    /// For the gateway.
    pub definitions: Definitions,
    /// All that is wrong, with whole paths.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Default)]
struct Found {
    views: BTreeMap<ViewName, NamedView>,
    kept_views: BTreeMap<ViewName, Kept>,
    kept_boards: BTreeMap<String, Kept>,
    problems: Vec<Problem>,
}

impl Found {
    fn take_view(&mut self, name: &str, source: &Source<NamedView>) {
        self.problems.extend(source.problems.iter().cloned());
        let Some(view) = &source.good else { return };
        if self.views.contains_key(&view.name) {
            self.problem(source.path.as_deref(), format!("`{name}` is a view of the configuration too, which counts"));
            return;
        }
        let kept = Kept {
            text: Some(Arc::clone(&source.text)),
            hash: Some(hash_of(&source.text)),
            read_only: source.path.as_deref().and_then(unwritable),
            problems: told(&source.problems),
        };
        self.kept_views.insert(view.name.clone(), kept);
        self.views.insert(view.name.clone(), view.clone());
    }

    /// A panel's view goes before a view of the same name in a file.
    fn clash(&mut self, view: &NamedView, board: &str) {
        if self.kept_views.get(&view.name).is_some_and(|kept| kept.hash.is_some()) {
            let what = format!("`{}` is the view of a panel of board `{board}`, which counts", view.name);
            self.problem(Some(Path::new(&format!("{}.{ENDING}", view.name))), what);
        }
    }

    fn take_board(
        &mut self,
        id: &str,
        source: &Source<BoardFile>,
        before: Option<&Assembled>,
        boards: &mut Vec<Board>,
    ) {
        let mut problems = source.problems.clone();
        let read_only = match (&source.path, &source.good) {
            (None, _) => Some("it comes with the program: save it under another name".to_owned()),
            (_, Some(file)) if file.read_only => Some("its file says `read_only = true`".to_owned()),
            (Some(path), _) => unwritable(path),
        };
        if let Some(file) = &source.good {
            let mut board = file.board.clone();
            let (mut unfit, views) = (Vec::new(), self.views.values().cloned().collect::<Vec<_>>());
            bind_panels(&mut board, &views, &mut unfit);
            if unfit.is_empty() {
                boards.push(board);
            } else if let Some(old) = before.and_then(|before| before.board(id)) {
                self.keep(old, before);
                boards.push(old.clone());
            }
            problems.extend(unfit);
        }
        self.problems.extend(problems.iter().cloned());
        let kept = Kept {
            text: Some(Arc::clone(&source.text)),
            hash: source.path.as_ref().map(|_| hash_of(&source.text)),
            read_only,
            problems: told(&problems),
        };
        self.kept_boards.insert(id.to_owned(), kept);
    }

    /// Keeps the views that a board had, where they are gone or were its own.
    fn keep(&mut self, board: &Board, before: Option<&Assembled>) {
        for panel in &board.panels {
            let is_own = panel.view.as_str() == format!("{}.{}", board.id, panel.id);
            let old = before.and_then(|before| before.view(&panel.view));
            if let Some(old) = old.filter(|_| is_own || !self.views.contains_key(&panel.view)) {
                self.views.insert(panel.view.clone(), old.clone());
            }
        }
    }

    fn problem(&mut self, path: Option<&Path>, what: String) {
        let file = path.map(|path| path.display().to_string()).unwrap_or_default();
        self.problems.push(Problem { file, key: String::new(), what });
    }
}

impl Assembled {
    fn board(&self, id: &str) -> Option<&Board> {
        self.definitions.boards.iter().find(|board| board.id == id)
    }

    fn view(&self, name: &ViewName) -> Option<&NamedView> {
        self.definitions.views.iter().find(|view| view.name == *name)
    }
}

/// Reads a board's text.
pub(crate) fn board_of(places: &Places, id: &str, file: &str, text: &str) -> Result<BoardFile, Vec<Problem>> {
    let mut problems = Vec::new();
    read_board(id, file, text, places.timezone, &mut problems).filter(|_| problems.is_empty()).ok_or(problems)
}

/// Reads a view's text.
pub(crate) fn view_of(places: &Places, name: &str, file: &str, text: &str) -> Result<NamedView, Vec<Problem>> {
    let table: Table = text.parse().map_err(|error| vec![syntax(file, &error)])?;
    let mut problems = Vec::new();
    let view = read_view(name, Reader::new(file, "", table), places.timezone, &mut problems);
    view.filter(|_| problems.is_empty()).ok_or(problems)
}

/// A board as clients read it.
#[cfg(test)]
pub(crate) fn board_for_test(id: &str, text: &str, problems: &mut Vec<Problem>) -> Option<serde_json::Value> {
    read_board(id, "test.toml", text, Tz::UTC, problems).map(|read| read.board.definition)
}
