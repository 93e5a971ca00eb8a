-- q14, calculation: arithmetic, a CASE on the hour, and the number of letters c. The newest hundred.
SELECT auction, bidder, 0.908 * price AS price,
  CASE
    WHEN date_part('hour', time) BETWEEN 8 AND 18 THEN 'day time'
    WHEN date_part('hour', time) <= 6 OR date_part('hour', time) >= 20 THEN 'night time'
    ELSE 'other time'
  END AS bid_time_type,
  time, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000
ORDER BY time DESC LIMIT 100
