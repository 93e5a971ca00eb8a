-- q11, user sessions: bids of each bidder between pauses of ten seconds.
SELECT bidder, count(*) AS bids, session_start, session_end FROM session(bid, '10 seconds', bidder) GROUP BY 1, 3, 4
