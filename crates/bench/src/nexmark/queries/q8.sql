-- q8, monitor new users: who came and opened an auction in the same ten seconds, over the last minute.
SELECT p.id, p.name, p.starts
FROM (
  SELECT id, name, date_bin(interval '10 seconds', time) AS starts
  FROM person WHERE time > now() - interval '1 minute' GROUP BY 1, 2, 3
) p
JOIN (
  SELECT seller, date_bin(interval '10 seconds', time) AS starts
  FROM auction WHERE time > now() - interval '1 minute' GROUP BY 1, 2
) a ON p.id = a.seller AND p.starts = a.starts
