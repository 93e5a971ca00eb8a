-- q11, user sessions: bids of each bidder between pauses of ten seconds, of the last minute.
SELECT bidder, session(time, interval '10 seconds') AS session_start, count(*) AS bids, max(time) AS last_bid
FROM bid WHERE time > now() - interval '1 minute' GROUP BY bidder, session(time, interval '10 seconds')
