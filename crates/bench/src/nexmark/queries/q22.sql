-- q22, URL directories: the parts of a path. The newest hundred.
SELECT auction, bidder, price, channel, time,
  split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3
FROM bid ORDER BY time DESC LIMIT 100
