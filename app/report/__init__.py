"""The report: one HTML file that opens anywhere, the JSON that re-makes it, tables beside it."""
