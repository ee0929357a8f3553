"""A trained run into a store that the other pages open, with the controls that claims need.

`python -m app.embed_run RUN DATA STORE [--twin ENCODER]` embeds the run, an untrained network of
the same making, and low-level features.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from app.noting import Notes
from d2v_core.errors import D2VError

Report = Callable[[int, int, str], None]


def embed_all(
    run: Path,
    data: Path,
    store: Path,
    *,
    twin: str | None = None,
    report: Report = lambda _done, _of, _what: None,
) -> list[str]:
    """Embed a run and its controls; what is there already is not done again.

    Args:
        run: the run folder.
        data: the data folder.
        store: where to.
        twin: the untrained network, `random:PRESET` or a run folder; None for no such control.
        report: told how far it is.

    Returns:
        The names of the representations, the run first.
    """
    from app import workbench

    encoders = [(str(run), f"embedding {run.name}")]
    encoders += [(twin, "embedding an untrained network")] if twin else []
    encoders += [("lowlevel", "measuring low-level features")]
    names = []
    for number, (encoder, words) in enumerate(encoders):

        def note(done: int, of: int, number: int = number, words: str = words) -> None:
            report(number * of + done, len(encoders) * of, words)

        names.append(workbench.embed(encoder, data, store, report=note).name)
    return names


def main() -> None:
    """Do it for what is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--twin", help="the untrained network: random:PRESET, or a run folder")
    given = parser.parse_args()
    notes = Notes.wanted()
    try:
        embed_all(
            given.run,
            given.data,
            given.store,
            twin=given.twin,
            report=lambda done, of, what: notes.note(done, of, stage=what),
        )
    except D2VError as error:
        sys.stderr.write(f"d2v: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
