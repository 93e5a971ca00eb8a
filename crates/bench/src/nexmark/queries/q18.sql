-- q18, last bid: the newest of each bidder on each auction, over the last ten seconds.
SELECT DISTINCT ON (bidder, auction) auction, bidder, price, channel, url, time, extra
FROM bid WHERE time > now() - interval '10 seconds' ORDER BY bidder, auction, time DESC
