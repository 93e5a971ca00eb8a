-- q13, bounded side input join: bids with the value of a table. Of the last second.
SELECT b.auction, b.bidder, b.price, b.time, s.value
FROM bid b
JOIN (SELECT DISTINCT ON (key) key, value FROM side ORDER BY key, time DESC) s ON b.auction % 10000 = s.key
WHERE b.time > now() - interval '1 second'
