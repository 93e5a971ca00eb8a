-- q9, winning bids: the highest bid of each auction while it was open, of auctions of the last ten seconds.
SELECT id, item_name, seller, auction, bidder, price, bid_time FROM (
  SELECT a.id, a.item_name, a.seller, b.auction, b.bidder, b.price, b.time AS bid_time,
    row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.time) AS place
  FROM auction a JOIN bid b ON a.id = b.auction
  WHERE b.time BETWEEN a.time AND a.expires
    AND a.time > now() - interval '10 seconds' AND b.time > now() - interval '10 seconds'
) WHERE place = 1
