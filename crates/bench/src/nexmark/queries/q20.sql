-- q20, expand bid with auction: bids with all of what they bid for, of one category, over the last second.
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.time, b.extra, a.item_name, a.description, a.initial_bid,
  a.reserve, a.auction_time, a.expires, a.seller, a.category, a.auction_extra
FROM bid b
JOIN (
  SELECT DISTINCT ON (id) id, item_name, description, initial_bid, reserve, time AS auction_time, expires, seller,
    category, extra AS auction_extra
  FROM auction ORDER BY id, time DESC
) a ON b.auction = a.id
WHERE a.category = 10 AND b.time > now() - interval '1 second'
