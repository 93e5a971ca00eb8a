-- q0, pass through. An answer is a table here, not an endless list: it shows the newest hundred.
SELECT auction, bidder, price, time, extra FROM bid ORDER BY time DESC LIMIT 100
