-- q19, the ten best bids of each auction, over the last second.
SELECT auction, bidder, price, time, place FROM (
  SELECT auction, bidder, price, time, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS place
  FROM bid WHERE time > now() - interval '1 second'
) WHERE place <= 10
