//! History: sealed journal segments become Parquet files that queries read together with the log's hot end.
