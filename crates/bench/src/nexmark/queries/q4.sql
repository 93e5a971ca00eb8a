-- q4, average price for a category: of the winning bids of all auctions.
SELECT category, avg(final) AS average FROM (
  SELECT a.id, a.category, max(b.price) AS final
  FROM auction a JOIN bid b ON a.id = b.auction
  WHERE b.time BETWEEN a.time AND a.expires
  GROUP BY a.id, a.category
) GROUP BY category
