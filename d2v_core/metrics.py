"""The numbers of a run: metrics.jsonl, and the same as TensorBoard events."""

import json
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter


class MetricsLog:
    """Appends a line a logged step, flushed at once, so that others can read along.

    Args:
        run: the run folder.
        after: a resumed run's step; lines of later steps are of a future that did not happen,
            and are taken out.
    """

    def __init__(self, run: Path, *, after: int) -> None:
        self.path = run / "metrics.jsonl"
        kept = [line for line in read_metrics(run) if line["step"] <= after]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        aside = self.path.with_name("metrics.jsonl.part")
        aside.write_text(text)
        aside.replace(self.path)
        self.file = self.path.open("a")
        self.events = SummaryWriter(str(run / "events"), purge_step=after + 1)

    def write(self, step: int, numbers: dict[str, float]) -> None:
        """Add the numbers of one step."""
        self.file.write(json.dumps({"step": step, **numbers}) + "\n")
        self.file.flush()
        for name, value in numbers.items():
            self.events.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish both files."""
        self.file.close()
        self.events.close()


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return the logged lines of a run; a last line that is still being written is left out."""
    path = run / "metrics.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
