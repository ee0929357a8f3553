"""Small experiments of seconds, for lessons: the real parts, on a few items, looked at closely."""
