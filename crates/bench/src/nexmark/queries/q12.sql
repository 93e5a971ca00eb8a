-- q12, processing time windows: bids of each bidder per ten seconds of arrival, over the last minute.
SELECT bidder, count(*) AS bids, date_bin(interval '10 seconds', _arrived_at) AS starts
FROM bid WHERE _arrived_at > now() - interval '1 minute' GROUP BY 1, 3
