//! Keeps boards and views in step with their files: reads what changed on disk, and writes what is saved through the API.
//!
//! One thread does both, so that nothing is read half-way into a change. A file that is not right changes nothing but what
//! is said of it.

mod canonical;
mod change;
mod looks;
mod save;

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use pulseboard_gateway::{Catalog, FileOrders};
use pulseboard_runtime::Tasks;
use tracing::{info, warn};

use crate::config::definitions::read_text;
use crate::config::{Assembled, DefinitionSet, Places, Problem};
use crate::rollups::Wanted;
use looks::{Looks, Watched};

/// How often files are looked at. One that stands still between two looks is read.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What it keeps, and for whom.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) places: Places,
    pub(crate) files: DefinitionSet,
    pub(crate) assembled: Assembled,
    pub(crate) catalog: Catalog,
    /// The queries of which rollups are made.
    pub(crate) wanted: Arc<Wanted>,
}

/// Starts the thread.
///
/// # Errors
/// When the system has no thread left.
pub(crate) fn spawn(mut keeper: Keeper, orders: FileOrders, tasks: &Tasks) -> std::io::Result<()> {
    let shutdown = tasks.shutdown();
    let work = move || {
        let (mut looks, mut looked) = (Looks::default(), Instant::now());
        while !shutdown.is_triggered() {
            match orders.recv_timeout(LOOK_EVERY.saturating_sub(looked.elapsed())) {
                Ok(order) => {
                    let outcome = keeper.change(&order.change);
                    // Whoever asked may have gone away.
                    let _told = order.reply.send(outcome).is_ok();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK_EVERY {
                keeper.look(&mut looks);
                looked = Instant::now();
            }
        }
    };
    tasks.spawn_thread("definitions", work)
}

impl Keeper {
    /// Reads what changed.
    fn look(&mut self, looks: &mut Looks) {
        let mut changed = false;
        for (watched, path) in looks.changed(&self.places) {
            let (places, files) = (&self.places, &mut self.files);
            let is_there = path.exists();
            let text = if is_there { read_text(&path) } else { Ok(String::new()) };
            let known = files.text_of(&watched).filter(|_| is_there);
            match text {
                Ok(text) if is_there && known.as_deref() == Some(&*text) && !files.is_unreadable(&watched) => {
                    // Rights may have changed.
                    changed = true;
                    continue;
                }
                Ok(text) => match (&watched, is_there) {
                    (Watched::Config, true) => files.take_config(places, &text),
                    (Watched::Config, false) => {
                        let what = "is gone; its views stay until the next start".to_owned();
                        let file = path.display().to_string();
                        files.blame(&watched, Problem { file, key: String::new(), what });
                    }
                    (Watched::Board(id), true) => files.take_board(places, id, &text),
                    (Watched::View(name), true) => files.take_view(places, name, &text),
                    (Watched::Board(id), false) => drop(files.boards.remove(id)),
                    (Watched::View(name), false) => drop(files.views.remove(name)),
                },
                Err(problem) => files.blame(&watched, problem),
            }
            info!(file = %path.display(), "a definition changed on disk");
            changed = true;
        }
        if changed {
            self.files.ship(&self.places);
            let assembled = self.files.assemble(Some(&self.assembled));
            self.publish(assembled);
        }
    }

    /// From now on the definitions are these.
    fn publish(&mut self, assembled: Assembled) {
        for problem in assembled.problems.iter().filter(|problem| !self.assembled.problems.contains(problem)) {
            warn!(%problem, "a definition is not right: what it said before counts");
        }
        self.wanted.replace(assembled.definitions.views.iter().map(|view| view.spec.clone()).collect());
        self.catalog.replace(assembled.definitions.clone());
        self.assembled = assembled;
    }
}

impl DefinitionSet {
    fn text_of(&self, watched: &Watched) -> Option<Arc<str>> {
        match watched {
            Watched::Config => self.config.as_ref().map(|source| &source.text),
            Watched::Board(id) => self.boards.get(id).filter(|source| source.path.is_some()).map(|source| &source.text),
            Watched::View(name) => self.views.get(name).map(|source| &source.text),
        }
        .cloned()
    }

    /// Whether it could not be read as a text when it was last tried.
    fn is_unreadable(&self, watched: &Watched) -> bool {
        match watched {
            Watched::Config => self.config.as_ref().is_some_and(|source| source.unreadable),
            Watched::Board(id) => self.boards.get(id).is_some_and(|source| source.unreadable),
            Watched::View(name) => self.views.get(name).is_some_and(|source| source.unreadable),
        }
    }

    /// A file cannot be read at all: what it said stays.
    fn blame(&mut self, watched: &Watched, problem: Problem) {
        match watched {
            Watched::Config => {
                if let Some(source) = &mut self.config {
                    source.blame(problem);
                }
            }
            Watched::Board(id) => {
                if let Some(source) = self.boards.get_mut(id) {
                    source.blame(problem);
                }
            }
            Watched::View(name) => {
                if let Some(source) = self.views.get_mut(name) {
                    source.blame(problem);
                }
            }
        }
    }
}
