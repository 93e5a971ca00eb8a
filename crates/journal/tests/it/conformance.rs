//! The cases every log must pass, with everything in memory, and with memory and segments so small that nearly all of it
//! happens on disk and across segments.

mod as_shipped {
    use crate::support::Bed;

    pulseboard_journal::log_conformance!(Bed::new());
}

mod tiny {
    use crate::support::Bed;

    pulseboard_journal::log_conformance!(Bed::with(|config| {
        config.segment_bytes = 2_000;
        config.ring_steps = 8;
        config.commit_bytes = 200;
    }));
}
