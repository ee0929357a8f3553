"""Words of the data among our own: they are shown and mean nothing else."""

SPECIAL = frozenset("\\`*_{}[]()#+-.!|<>$:~")
"""What Markdown, or Streamlit's additions to it, would make something of: a picture that the
browser fetches, a link, a formula, a colour."""


def plain(value: object) -> str:
    """Return a value of the data as Markdown that means nothing but itself."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "".join(f"\\{c}" if c in SPECIAL else c for c in text)
