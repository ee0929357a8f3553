"""Models that are there already, and the command that embeds data with one and its controls."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from app import places, run_folders, tasks
from app.costs import preset_of
from app.tasks import JOB

UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Model:
    """A trained run that data can be embedded with.

    Attributes:
        run: its folder.
        twin: the untrained network of the same making, as `d2v embed` names it; None if unknown.
        is_shipped: whether it came with the workbench.
    """

    run: Path
    twin: str | None
    is_shipped: bool = False

    @property
    def words(self) -> str:
        """What it is called."""
        return f"{self.run.name} (comes with the workbench)" if self.is_shipped else self.run.name

    def command(self, data: str, store: Path) -> list[str]:
        """Return the command that embeds a data folder with it and its controls."""
        begun = [sys.executable, "-m", "app.embed_run", str(self.run), data, str(store)]
        return [*begun, "--twin", self.twin] if self.twin else begun


def model_of(run: Path) -> Model:
    """Return a run that was trained here as a model."""
    task = tasks.read_task(run / JOB)
    preset = preset_of(task.command) if task else None
    return Model(run, f"random:{preset}" if preset else None)


def models(shipped: Path) -> list[Model]:
    """Return the models that are there: one's own complete runs, then those that came along.

    Args:
        shipped: the folder of the runs that came along.
    """
    own = [run.folder for run in run_folders.runs(places.runs_root()) if run.is_complete]
    came = sorted(path.parent for path in shipped.glob("*/config.json"))
    twin = shipped / "random"
    others = [Model(run, str(twin), is_shipped=True) for run in came if run != twin]
    return [*(model_of(run) for run in own), *others]


def store_of(data: str) -> Path:
    """Return the store for the embeddings of a data folder, whichever models they come from."""
    path = Path(data)
    return places.stores_root() / (UNFIT.sub("-", path.stem).strip("-.") or "data")
