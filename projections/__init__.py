"""The read models: rows that anybody may throw away and rebuild from the log."""
