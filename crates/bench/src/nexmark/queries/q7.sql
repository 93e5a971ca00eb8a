-- q7, highest bid of each ten seconds, over the last minute. Of several equal ones the first.
SELECT date_bin(interval '10 seconds', time) AS starts, max(price) AS price,
  first_value(auction ORDER BY price DESC) AS auction, first_value(bidder ORDER BY price DESC) AS bidder
FROM bid WHERE time > now() - interval '1 minute' GROUP BY 1
