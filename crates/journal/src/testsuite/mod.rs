//! What every implementation of [`crate::Log`] must do, as tests that are run against it.
//!
//! An implementation provides a [`TestBed`] and calls [`crate::log_conformance`] in its tests. The cases only use the
//! trait; what is special to one implementation (files, damage, full disks) is tested beside it.

mod append;
mod clock;
mod reading;
mod retry;
pub mod rows;
mod schemas;

use std::sync::Arc;

use pulseboard_runtime::ManualClock;

pub use append::*;
pub use clock::*;
pub use reading::*;
pub use retry::*;
pub use schemas::*;

use crate::log::Log;

/// A place where a log is kept, and the clock it goes by.
pub trait TestBed {
    /// Opens the log; a second time with everything it had.
    fn open(&mut self) -> Arc<dyn Log>;

    /// Closes it. Nobody else holds it any more.
    fn close(&mut self, log: Arc<dyn Log>);

    /// The log's clock.
    fn clock(&self) -> Arc<ManualClock>;
}

/// Makes one test of each case; `$make` is an expression that makes a fresh [`TestBed`].
#[macro_export]
macro_rules! log_conformance {
    ($make:expr) => {
        $crate::log_conformance!(@cases $make,
            rows_are_read_as_they_were_sent
            a_request_is_whole_and_offsets_are_dense
            rows_without_a_time_get_their_arrival
            counters_tell_what_is_there
            everything_is_there_after_reopening
            positions_are_known_for_what_they_are
            an_empty_request_is_answered
            the_clock_never_goes_back
            ticks_come_for_every_second_and_before_commits
            a_pause_is_one_step_that_is_logged
            the_head_is_the_last_step
            a_moment_leads_to_the_step_before_it
            the_past_steps_as_the_present_did
            a_schema_grows_and_old_rows_follow
            nested_fields_grow_too
            an_unchanged_request_follows_a_schema_that_moved
            two_changes_from_one_base_cannot_both_win
            declarations_hold_and_conflicts_are_named
            a_retry_is_answered_and_not_kept_twice
            a_key_with_another_body_is_refused
            a_key_expires_after_ten_minutes
            a_request_without_good_rows_is_remembered_too
            rejects_are_rows_of_the_requests_commit
            a_tail_gives_each_step_once_from_anywhere
            a_tail_that_waits_is_woken
            scans_keep_to_their_range
            scans_join_small_commits_and_split_large_ones
            the_last_rows_are_the_last_rows
        );
    };
    (@cases $make:expr, $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::testsuite::$case(&mut $make).await;
            }
        )*
    };
}
