-- q1, currency conversion: prices in euros. The newest hundred.
SELECT auction, bidder, 0.908 * price AS price, time, extra FROM bid ORDER BY time DESC LIMIT 100
