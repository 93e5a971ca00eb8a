//! Idempotency keys: a retry is answered as before and kept once.

use futures::future::join_all;
use pulseboard_model::LogOffset;
use pulseboard_model::decode::RowError;
use pulseboard_model::rejects::{REJECTED, Rejects};

use super::TestBed;
use super::rows::{all, keyed, numbers, stream};
use crate::log::AppendError;

/// At once, in the same commit, and after reopening.
pub async fn a_retry_is_answered_and_not_kept_twice(bed: &mut impl TestBed) {
    let log = bed.open();
    log.append(numbers("s", false, [0])).await.expect("appended");
    let mut with_rejects = keyed(numbers("s", true, [1, 2]), 7, 70);
    with_rejects.rejected = 3;
    let twins = join_all([log.append(with_rejects.clone()), log.append(with_rejects.clone())]).await;
    let [Ok(first), Ok(second)] = twins.as_slice() else { panic!("{twins:?}") };
    assert_eq!((first.replayed, second.replayed), (false, true));
    log.append(numbers("s", true, [9])).await.expect("appended");
    bed.close(log);

    let log = bed.open();
    let third = log.append(with_rejects).await.expect("answered");
    for retry in [second, &third] {
        assert!(retry.replayed);
        assert_eq!((retry.position, retry.accepted, retry.rejected), (first.position, 2, 3));
        assert_eq!(retry.receipt, "receipt of 70");
    }
    assert_eq!(all(log.as_ref(), "s", "n"), [0, 1, 2, 9]);
    bed.close(log);
}

/// The same key with another body is a mistake of the client's.
pub async fn a_key_with_another_body_is_refused(bed: &mut impl TestBed) {
    let log = bed.open();
    log.append(keyed(numbers("s", false, [1]), 7, 70)).await.expect("appended");
    assert_eq!(log.append(keyed(numbers("s", true, [2]), 7, 71)).await, Err(AppendError::KeyReused));
    assert_eq!(log.head().offset, LogOffset::from_u64(1));
    bed.close(log);
}

/// After ten minutes a key is a new key.
pub async fn a_key_expires_after_ten_minutes(bed: &mut impl TestBed) {
    let log = bed.open();
    log.append(keyed(numbers("s", false, [1]), 7, 70)).await.expect("appended");
    bed.clock().advance(9 * 60 * 1_000_000);
    assert!(log.append(keyed(numbers("s", true, [1]), 7, 70)).await.expect("answered").replayed);
    bed.clock().advance(61 * 1_000_000);
    assert!(!log.append(keyed(numbers("s", true, [2]), 7, 71)).await.expect("appended").replayed);
    assert_eq!(all(log.as_ref(), "s", "n"), [1, 2]);
    bed.close(log);
}

/// A request of which every row was bad keeps its answer, over a restart as well.
pub async fn a_request_without_good_rows_is_remembered_too(bed: &mut impl TestBed) {
    let log = bed.open();
    let mut bad = keyed(numbers("s", false, []), 7, 70);
    bad.rejected = 2;
    let first = log.append(bad.clone()).await.expect("answered");
    assert_eq!((first.accepted, first.rejected, first.replayed), (0, 2, false));
    bed.close(log);
    let log = bed.open();
    let again = log.append(bad).await.expect("answered");
    assert_eq!((again.accepted, again.rejected, again.replayed), (0, 2, true));
    assert_eq!(again.receipt, "receipt of 70");
    assert_eq!(log.head().offset, LogOffset::START);
    bed.close(log);
}

/// What was rejected is kept in the commit of its request, also of one without a good row, and once however often it is sent.
pub async fn rejects_are_rows_of_the_requests_commit(bed: &mut impl TestBed) {
    let rejects = |row| {
        let mut rejects = Rejects::default();
        let error = RowError { row, field: None, reason: "bad".to_owned(), raw: "{".to_owned() };
        rejects.add(&stream("s"), "test", error);
        rejects.finish()
    };
    let log = bed.open();
    let mut some_bad = keyed(numbers("s", false, [1, 2]), 7, 70);
    (some_bad.rejected, some_bad.rejects) = (1, rejects(3));
    let twins = join_all([log.append(some_bad.clone()), log.append(some_bad.clone())]).await;
    let [Ok(first), Ok(second)] = twins.as_slice() else { panic!("{twins:?}") };
    assert_eq!((first.position.offset, second.replayed), (LogOffset::from_u64(3), true));
    let mut all_bad = keyed(numbers("s", true, []), 8, 80);
    (all_bad.rejected, all_bad.rejects) = (1, rejects(1));
    let third = log.append(all_bad.clone()).await.expect("answered");
    assert_eq!((third.position.offset, third.accepted), (LogOffset::from_u64(4), 0));
    bed.close(log);

    let log = bed.open();
    for again in [some_bad, all_bad] {
        assert!(log.append(again).await.expect("answered").replayed);
    }
    assert_eq!(log.head().offset, LogOffset::from_u64(4));
    assert_eq!(all(log.as_ref(), "s", "n"), [1, 2]);
    assert_eq!(all(log.as_ref(), REJECTED, "row"), [3, 1]);
    assert_eq!(all(log.as_ref(), REJECTED, "_offset"), [3, 4]);
    bed.close(log);
}
