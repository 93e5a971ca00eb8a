-- q5, hot items: the auctions with the most bids in the last ten seconds. Sliding each second instead of hopping by two.
SELECT auction, num FROM (
  SELECT auction, num, rank() OVER (ORDER BY num DESC) AS place FROM (
    SELECT auction, count(*) AS num FROM bid WHERE time > now() - interval '10 seconds' GROUP BY auction
  )
) WHERE place = 1
