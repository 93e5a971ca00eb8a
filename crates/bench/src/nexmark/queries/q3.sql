-- q3, local item suggestion: who sells in some category and in some states. Of the last ten seconds' auctions.
SELECT p.name, p.city, p.state, a.id
FROM auction a
JOIN (SELECT DISTINCT ON (id) id, name, city, state FROM person ORDER BY id, time DESC) p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('or', 'id', 'ca') AND a.time > now() - interval '10 seconds'
