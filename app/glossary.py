"""Every word on three levels: a sentence for a child, a paragraph for a student, the formula.

All of it is in `glossary.toml`; the pages, the tooltips and docs/glossary.md are made from there.
"""

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILE = HERE / "glossary.toml"
TOO_COMMON = frozenset({"finds", "linear", "random", "search", "dim", "train", "test", "val"})
"""Other names that are everyday words: found by searching, but no sign that a page is about them.
"""
PLAIN = frozenset(
    "item label map run store round step group pair channel split layer modality embedding "
    "token block".split()
)
"""Words that every page is full of: in the glossary, but no help beside a figure."""

MOST_AT_ONCE = 4


@dataclass(frozen=True)
class Term:
    """One word.

    Attributes:
        word: itself.
        child: one sentence for a child.
        student: a paragraph for a student.
        formula: LaTeX, for a researcher.
        symbols: every letter of the formula, and what it is.
        source: author, year and title.
        also: other names.
    """

    word: str
    child: str
    student: str
    formula: str
    symbols: tuple[tuple[str, str], ...]
    source: str
    also: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return its name in an address."""
        return re.sub(r"[^a-z0-9]+", "-", self.word.lower()).strip("-")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the word and its other names."""
        return (self.word, *self.also)


@functools.cache
def terms() -> tuple[Term, ...]:
    """Return all words, in alphabetical order."""
    found = tomllib.loads(FILE.read_text(encoding="utf-8"))["term"]
    made = [
        Term(
            **{
                **entry,
                "symbols": tuple((name, meaning) for name, meaning in entry["symbols"]),
                "also": tuple(entry.get("also", ())),
            }
        )
        for entry in found
    ]
    return tuple(sorted(made, key=lambda term: term.word.lower()))


@functools.cache
def _by_name() -> dict[str, Term]:
    named = {name.lower(): term for term in terms() for name in term.also}
    return {**named, **{n: term for term in terms() for n in (term.word.lower(), term.key)}}


def find(name: str) -> Term | None:
    """Return the term that has a name, one of its other names or its name in an address."""
    return _by_name().get(name.strip().lower())


def term(name: str) -> str:
    """Return a word explained in two sentences, for the `help=` of any element.

    Raises:
        KeyError: if there is no such word: every word that a page explains has its entry.
    """
    found = find(name)
    if found is None:
        raise KeyError(f"{name!r} is not in the glossary; add it to app/glossary.toml")
    return f"**{found.word}**: {found.child}\n\n{found.student}"


def brief(*names: str, address: str = "?") -> str:
    """Return words in a sentence each, with the way to all three levels, for the `help=` of a text.

    Args:
        names: of the words.
        address: of the page that the links open, up to the word.

    Raises:
        KeyError: if there is no such word.
    """
    said = []
    for name in names:
        found = find(name)
        if found is None:
            raise KeyError(f"{name!r} is not in the glossary; add it to app/glossary.toml")
        said.append(f"**{found.word}**: {found.child} [All of it]({address}term={found.key})")
    return "\n\n".join(said)


def brief_of(text: str, *, address: str = "?") -> str | None:
    """Return the terms of the trade that a text speaks of, as `brief` has them; None if none."""
    spoken = text.lower()
    counted = [(len(_pattern(t).findall(spoken)), t.word) for t in terms() if t.word not in PLAIN]
    often = sorted((pair for pair in counted if pair[0]), key=lambda pair: -pair[0])
    words = [word for _, word in often[:MOST_AT_ONCE]]
    return brief(*words, address=address) if words else None


def search(words: str, among: Iterable[Term] | None = None) -> list[Term]:
    """Return the terms that a search is for: names that begin so, then names, then texts."""
    wanted = words.strip().lower()
    every = list(terms() if among is None else among)
    if not wanted:
        return every

    def distance(entry: Term) -> int:
        names = [name.lower() for name in entry.names]
        if any(name.startswith(wanted) for name in names):
            return 0
        if any(wanted in name for name in names):
            return 1
        return 2 if wanted in f"{entry.child} {entry.student}".lower() else 3

    return [entry for entry in sorted(every, key=distance) if distance(entry) < 3]


@functools.cache
def terms_on(page: str) -> tuple[Term, ...]:
    """Return the terms that a page speaks of, those it names most often first.

    Read from the texts in its source and in the modules that are its own, so that a page need not
    keep a list.

    Args:
        page: name of its file in `views/`, without the suffix.
    """
    said = "\n".join(text for file in _files_of(page) for text in _texts(file)).lower()
    counted = [(len(_pattern(entry).findall(said)), entry) for entry in terms()]
    counted.sort(key=lambda pair: -pair[0])
    return tuple(entry for count, entry in counted if count)


@functools.cache
def _pattern(entry: Term) -> re.Pattern[str]:
    others = {other.word.lower() for other in terms() if other is not entry}  # mAP is no map
    names = [n.lower() for n in entry.names if n.lower() not in TOO_COMMON | others]
    joined = "|".join(re.escape(name) for name in names)
    return re.compile(rf"(?<![\w-])(?:{joined})(?![\w-])")


def _files_of(page: str) -> list[Path]:
    """Return the file of a page and the modules of views and lessons that are its own."""
    first = HERE / "views" / f"{page}.py"
    found: list[Path] = []
    waiting = [first] if first.is_file() else []
    while waiting:
        file = waiting.pop()
        found.append(file)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app"):
                names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
                for name in names:
                    other = HERE.parent / Path(*name.split(".")).with_suffix(".py")
                    is_own = other.parent.name in ("lessons", "views") and other.is_file()
                    if is_own and other not in (*found, *waiting):
                        waiting.append(other)
    return found


def _texts(file: Path) -> list[str]:
    """Return the texts in a source file that are for people: not docstrings, not single words."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docs
        and (" " in node.value or node.value[:1].isupper())
    ]


def as_markdown() -> str:
    """Return the whole glossary as a page of documentation."""
    lines = [
        "# Words",
        "",
        "Made of `app/glossary.toml` by `python -m app.glossary docs/glossary.md`. The app shows",
        "the same behind *Words* in the sidebar, and at the address `?term=effective-rank`.",
        "",
        "| word | in a sentence |",
        "|---|---|",
    ]
    lines += [f"| [{entry.word}](#{entry.key}) | {entry.child} |" for entry in terms()]
    for entry in terms():
        lines += ["", f'<a id="{entry.key}"></a>', f"## {entry.word}", "", entry.student, ""]
        lines += ["$$", entry.formula, "$$", ""]
        lines += [f"* ${symbol}$: {meaning}" for symbol, meaning in entry.symbols]
        if entry.also:
            lines += ["", f"Also: {', '.join(entry.also)}."]
        lines += ["", f"Source: {entry.source}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(as_markdown(), encoding="utf-8")
