//! One change through the API: what is there is what was expected, the new text is right as a file, then it is written.

use std::io;
use std::path::{Path, PathBuf};

use pulseboard_gateway::{Content, Expects, FileAction, FileChange, FileError, Kind, Saved, SavedAs};
use pulseboard_protocol::http::ProblemAnswer;

use super::canonical::{Defaults, Refused, board_text, view_text};
use super::{Keeper, save};
use crate::config::definitions::{ENDING, hash_of, told};
use crate::config::{Assembled, DefinitionSet, Problem};

type Outcome = Result<Option<Saved>, FileError>;

impl Keeper {
    /// Makes a change.
    pub(super) fn change(&mut self, change: &FileChange) -> Outcome {
        match &change.action {
            FileAction::Delete => self.delete(change),
            FileAction::Put { content, rename_from, dry_run } => {
                let from = rename_from.as_deref().filter(|from| *from != change.name);
                self.put(change, content, from, *dry_run)
            }
        }
    }

    fn put(&mut self, change: &FileChange, content: &Content, from: Option<&str>, dry_run: bool) -> Outcome {
        let (kind, name) = (change.kind, change.name.as_str());
        let path = self.path(kind, name);
        let old = self.present(kind, from.unwrap_or(name), &change.expects)?;
        if from.is_some() {
            if old.is_none() {
                return Err(FileError::Unknown);
            }
            if path.exists() || self.is_known(kind, name) {
                return Err(self.taken(kind, name));
            }
        }
        let text = self.text(kind, name, old.as_deref(), content)?;
        let mut files = self.files.clone();
        take(&mut files, self, kind, name, &text);
        if let Some(from) = from {
            forget(&mut files, self, kind, from);
        }
        let problems = problems_of(&files, kind, name);
        if !problems.is_empty() {
            return Err(FileError::Bad(told(&problems)));
        }
        let assembled = files.assemble(Some(&self.assembled));
        let problems = self.new_problems(&assembled);
        if !problems.is_empty() {
            return Err(FileError::Bad(told(&problems)));
        }
        let mut saved = self.saved(&assembled, kind, name).ok_or(FileError::Unknown)?;
        saved.created = old.is_none();
        if dry_run {
            saved.kept.hash = old.as_deref().map(hash_of);
            return Ok(Some(saved));
        }
        let written = save::write(&path, &text).and_then(|()| match from {
            // Killed between the two, both are there.
            Some(from) => save::remove(&self.path(kind, from)),
            None => Ok(()),
        });
        written.map_err(|error| failed(&path, &error))?;
        self.files = files;
        self.publish(assembled);
        Ok(Some(saved))
    }

    fn delete(&mut self, change: &FileChange) -> Outcome {
        let (kind, name) = (change.kind, change.name.as_str());
        let Some(_) = self.present(kind, name, &change.expects)? else { return Err(FileError::Unknown) };
        let mut files = self.files.clone();
        forget(&mut files, self, kind, name);
        let assembled = files.assemble(Some(&self.assembled));
        if let Some(problem) = self.new_problems(&assembled).first() {
            let message = format!("`{name}` is still needed: {problem}");
            return Err(FileError::Conflict { message, current: None, hash: None });
        }
        let path = self.path(kind, name);
        save::remove(&path).map_err(|error| failed(&path, &error))?;
        self.files = files;
        self.publish(assembled);
        Ok(None)
    }

    /// The text that is there now, if it may be changed and is what was expected.
    fn present(&self, kind: Kind, name: &str, expects: &Expects) -> Result<Option<String>, FileError> {
        let path = self.path(kind, name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&path, &error)),
        };
        if let Some(why) = self.read_only(kind, name, text.as_deref()) {
            return Err(FileError::ReadOnly(why));
        }
        if *expects == Expects::Nothing && (text.is_some() || self.is_known(kind, name)) {
            return Err(self.taken(kind, name));
        }
        if let Expects::Hash(expected) = expects {
            match &text {
                None => {
                    let message = format!("`{name}` was removed meanwhile");
                    return Err(FileError::Conflict { message, current: None, hash: None });
                }
                Some(text) if hash_of(text) != *expected => {
                    let message = format!("`{name}` changed meanwhile: look at what it is now, and save again");
                    let (hash, current) = (Some(hash_of(text)), self.read_now(kind, name, text).map(Box::new));
                    return Err(FileError::Conflict { message, current, hash });
                }
                Some(_) => {}
            }
        }
        Ok(text)
    }

    /// Why it cannot be changed.
    fn read_only(&self, kind: Kind, name: &str, text: Option<&str>) -> Option<String> {
        if text.is_none() && kind == Kind::Board && !self.files.boards.contains_key(name) {
            return None;
        }
        let definitions = &self.assembled.definitions;
        let kept = match kind {
            Kind::Board => definitions.kept_boards.get(name),
            Kind::View => definitions.kept_views.iter().find(|(view, _)| view.as_str() == name).map(|(_, kept)| kept),
        };
        // One that is gone and not yet seen to be gone is none any more.
        let kept = kept.filter(|kept| text.is_some() || kept.hash.is_none())?;
        kept.read_only.clone()
    }

    fn is_known(&self, kind: Kind, name: &str) -> bool {
        let definitions = &self.assembled.definitions;
        match kind {
            Kind::Board => definitions.boards.iter().any(|board| board.id == name),
            Kind::View => definitions.views.iter().any(|view| view.name.as_str() == name),
        }
    }

    fn taken(&self, kind: Kind, name: &str) -> FileError {
        let current = self.saved(&self.assembled, kind, name);
        let hash = current.as_ref().and_then(|current| current.kept.hash.clone());
        FileError::Conflict { message: format!("there is `{name}` already"), current: current.map(Box::new), hash }
    }

    /// What a text says that nobody has read yet.
    fn read_now(&self, kind: Kind, name: &str, text: &str) -> Option<Saved> {
        let mut files = self.files.clone();
        take(&mut files, self, kind, name, text);
        if !problems_of(&files, kind, name).is_empty() {
            return None;
        }
        self.saved(&files.assemble(Some(&self.assembled)), kind, name)
    }

    fn text(&self, kind: Kind, name: &str, old: Option<&str>, content: &Content) -> Result<String, FileError> {
        let path = self.path(kind, name);
        let folder = path.parent().unwrap_or(Path::new("."));
        let defaults = Defaults { id: name, timezone: self.places.timezone.name() };
        let old = old.map(|text| (text, folder));
        let text = match kind {
            Kind::Board => board_text(old, content, defaults),
            Kind::View => view_text(old, content, defaults),
        };
        text.map_err(|refused| {
            let file = format!("{name}.{ENDING}");
            let told = |Refused { key, what }| ProblemAnswer { file: file.clone(), key, what };
            FileError::Bad(refused.into_iter().map(told).collect())
        })
    }

    /// What would be wrong and is not yet.
    fn new_problems(&self, assembled: &Assembled) -> Vec<Problem> {
        let is_new = |problem: &&Problem| !self.assembled.problems.contains(problem);
        assembled.problems.iter().filter(is_new).cloned().collect()
    }

    fn saved(&self, assembled: &Assembled, kind: Kind, name: &str) -> Option<Saved> {
        let definitions = &assembled.definitions;
        let (saved, kept) = match kind {
            Kind::Board => {
                let board = definitions.boards.iter().find(|board| board.id == name)?;
                (SavedAs::Board(Box::new(board.clone())), definitions.kept_boards.get(name))
            }
            Kind::View => {
                let view = definitions.views.iter().find(|view| view.name.as_str() == name)?;
                (SavedAs::View(Box::new(view.clone())), definitions.kept_views.get(&view.name))
            }
        };
        Some(Saved { saved, kept: kept.cloned().unwrap_or_default(), created: false })
    }

    fn path(&self, kind: Kind, name: &str) -> PathBuf {
        match kind {
            Kind::Board => self.places.board(name),
            Kind::View => self.places.view(name),
        }
    }
}

fn take(files: &mut DefinitionSet, keeper: &Keeper, kind: Kind, name: &str, text: &str) {
    match kind {
        Kind::Board => files.take_board(&keeper.places, name, text),
        Kind::View => files.take_view(&keeper.places, name, text),
    }
}

fn forget(files: &mut DefinitionSet, keeper: &Keeper, kind: Kind, name: &str) {
    match kind {
        Kind::Board => drop(files.boards.remove(name)),
        Kind::View => drop(files.views.remove(name)),
    }
    files.ship(&keeper.places);
}

fn problems_of(files: &DefinitionSet, kind: Kind, name: &str) -> Vec<Problem> {
    let problems = match kind {
        Kind::Board => files.boards.get(name).map(|source| &source.problems),
        Kind::View => files.views.get(name).map(|source| &source.problems),
    };
    problems.cloned().unwrap_or_default()
}

fn failed(path: &Path, error: &io::Error) -> FileError {
    FileError::Failed(format!("{}: {error}", path.display()))
}
