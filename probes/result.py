"""What every published number carries, and how results become JSON."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Plain = dict[str, Any]
"""A result as JSON has it: names and, nested, lists, text, numbers, True, False and None."""


def to_plain(value: object) -> Any:  # noqa: ANN401  # whatever JSON can hold
    """Turn a result into dictionaries, lists, text and numbers.

    Args:
        value: a dataclass, mapping, sequence, array or scalar, nested as deep as needed.

    Returns:
        The same without arrays or classes; fields of a dataclass become keys, in their order.

    Raises:
        ValueError: on a number that JSON cannot hold. Undefined is None, with a reason beside it.
        TypeError: on anything else that is not a result.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if value is None or isinstance(value, str | int):  # bool is an int
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} in a result: an undefined number is None, with a reason")
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One published number."""

    value: float | None
    """The number; None if it is undefined, and then `reason` says why."""

    low: float | None = None
    """Lower end of the 95 % interval; None where no valid one is known."""

    high: float | None = None
    """Upper end of the 95 % interval."""

    chance: float | None = None
    """What the measure gives when there is nothing to find; None if it was not computed."""

    n: int
    """Items (queries, pairs) the number rests on."""

    method: str
    """What was measured and how the interval was made."""

    p: float | None = None
    """Permutation p of "no better than chance"; None if it was not tested."""

    reason: str = ""
    """Why the value or the interval is missing."""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high", "chance", "p"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name}={number}: an undefined number is None, with a reason")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"an interval has two ends, got low={self.low} and high={self.high}")
        if self.value is None and not self.reason:
            raise ValueError(f"{self.method}: an undefined score needs its reason")
        if self.value is None and self.low is not None:
            raise ValueError(f"{self.method}: an undefined score has no interval")

    def to_json(self) -> Plain:
        """Return the score as plain JSON."""
        return to_plain(self)
