//! `pulseboard check`: everything that is wrong with a configuration file, at once.

use super::Failure;
use super::args::CheckArgs;
use crate::config::{Overrides, load};

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = load(Some(&args.config), &Overrides::default())
        .map_err(|problems| Failure { lines: problems.iter().map(ToString::to_string).collect(), code: 2 })?;
    let definitions = &config.assembled.definitions;
    let (views, boards) = (definitions.views.len(), definitions.boards.len());
    println!("{}: fine ({views} views, {boards} boards)", args.config.display());
    Ok(())
}
