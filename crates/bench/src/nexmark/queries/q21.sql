-- q21, add channel id: a CASE on the channel, else what a regular expression finds in the URL. The newest hundred.
SELECT * FROM (
  SELECT auction, bidder, price, channel, time,
    CASE lower(channel)
      WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
      ELSE regexp_match(url, '(&|^)channel_id=([^&]*)')[2]
    END AS channel_id
  FROM bid
) WHERE channel_id IS NOT NULL
ORDER BY time DESC LIMIT 100
