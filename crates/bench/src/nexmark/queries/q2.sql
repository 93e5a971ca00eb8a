-- q2, selection: bids on some auctions. The newest hundred.
SELECT auction, price FROM bid WHERE auction % 123 = 0 ORDER BY time DESC LIMIT 100
