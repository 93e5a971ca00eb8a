//! The queries that are live while events are measured.

/// Ten views of different kinds over a stream of reference events. The first counts every event.
pub(crate) fn ten_views(stream: &str) -> [String; 10] {
    [
        format!("SELECT count(*) AS n, sum(duration_ms) AS total_ms FROM {stream}"),
        format!("SELECT service, count(*) AS requests, avg(duration_ms) AS mean_ms FROM {stream} GROUP BY service"),
        format!("SELECT region, status, count(*) AS requests FROM {stream} GROUP BY region, status"),
        format!("SELECT service, count(*) AS errors FROM {stream} WHERE status >= 500 GROUP BY service"),
        format!(
            "SELECT service, min(duration_ms) AS best_ms, max(duration_ms) AS worst_ms FROM {stream} GROUP BY service"
        ),
        format!(
            "SELECT status, count(*) AS requests FROM {stream} WHERE time > now() - interval '5 minutes' GROUP BY status"
        ),
        format!(
            "SELECT count(*) AS requests, avg(duration_ms) AS mean_ms FROM {stream} WHERE time >= date_trunc('day', now())"
        ),
        format!(
            "SELECT date_bin(interval '1 second', time) AS second, count(*) AS requests FROM {stream} \
             WHERE time > now() - interval '1 minute' GROUP BY 1 ORDER BY 1"
        ),
        format!("SELECT time, service, path, duration_ms FROM {stream} WHERE status = 500 ORDER BY time DESC LIMIT 20"),
        format!(
            "SELECT service, sum(duration_ms) AS busy_ms FROM {stream} GROUP BY service ORDER BY busy_ms DESC LIMIT 5"
        ),
    ]
}

/// The query that the engine alone is measured with: a filter, groups, and a window that moves.
pub(crate) fn filter_group_window(stream: &str) -> String {
    format!(
        "SELECT service, count(*) AS requests, avg(duration_ms) AS mean_ms, max(duration_ms) AS worst_ms FROM {stream} \
         WHERE status < 500 AND time > now() - interval '5 seconds' GROUP BY service"
    )
}

/// The greatest mark per lane of a stream of marked events.
pub(crate) fn greatest_marks(stream: &str) -> String {
    format!("SELECT lane, max(seq) AS seq FROM {stream} GROUP BY lane")
}

/// The `number`-th of many different views over a stream of marked events.
pub(crate) fn extra_view(stream: &str, number: usize) -> String {
    format!("SELECT lane, count(*) AS n, sum(value) AS total FROM {stream} WHERE status <> {number} GROUP BY lane")
}
