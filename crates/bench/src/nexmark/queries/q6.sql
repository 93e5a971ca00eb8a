-- q6, average selling price by seller: of the last ten auctions that each closed.
SELECT seller, avg(final) AS average FROM (
  SELECT seller, final, row_number() OVER (PARTITION BY seller ORDER BY expires DESC) AS place FROM (
    SELECT a.id, a.seller, a.expires, max(b.price) AS final
    FROM auction a JOIN bid b ON a.id = b.auction
    WHERE b.time BETWEEN a.time AND a.expires
    GROUP BY a.id, a.seller, a.expires
  )
) WHERE place <= 10 GROUP BY seller
