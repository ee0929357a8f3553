"""A file a chapter: from results to what is shown of them."""
