//! Chance that can be had again: one seed for all, printed by every test that uses it.

use rand::SeedableRng;
use rand::rngs::StdRng;

const VARIABLE: &str = "PULSEBOARD_TEST_SEED";
const DEFAULT: u64 = 20_240_229;

/// The seed of this run. Set the variable to try another one.
pub(crate) fn seed() -> u64 {
    let given = std::env::var(VARIABLE).ok();
    given.map_or(DEFAULT, |text| text.parse().unwrap_or_else(|_| panic!("{VARIABLE} must be a number, not `{text}`")))
}

/// Randomness for one part of a test; says on stderr, which is shown when the test fails, how to get it again.
pub(crate) fn random(part: u64) -> StdRng {
    eprintln!("{VARIABLE}={} part {part}", seed());
    StdRng::seed_from_u64(seed().wrapping_mul(1_000_003).wrapping_add(part))
}
