"""What the JSON of a report is, as JSON Schema, and whether a document is one."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d2v_core.errors import InputError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SCHEMA = Path(__file__).with_name("schema.json")


@functools.cache
def validator() -> "Validator":
    """Return what checks a document against the schema."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def check(results: Any, called: str) -> None:  # noqa: ANN401  # that is the question
    """Refuse what is not the JSON of a report.

    Args:
        results: the document.
        called: its name, for the message.

    Raises:
        InputError: with the place and the reason of what is wrong.
    """
    from jsonschema.exceptions import best_match

    wrong = best_match(validator().iter_errors(results))
    if wrong is not None:
        where = "/".join(str(part) for part in wrong.absolute_path) or "the top"
        words = wrong.message if len(wrong.message) < 200 else f"{wrong.message[:200]}…"
        raise InputError(f"{called} is not a report of this version: at {where}, {words}")
