"""What a student is asked to predict: one contract, one file each."""

from collections.abc import Callable

from d2v_core.config import RunConfig
from d2v_core.errors import ConfigError
from d2v_core.modality import Modality
from d2v_core.objectives.data2vec import Data2Vec
from d2v_core.objectives.data2vec2 import Data2Vec2
from d2v_core.objectives.hubert import Hubert
from d2v_core.objectives.objective import Objective
from d2v_core.objectives.reconstruct import Reconstruct

OBJECTIVES: dict[str, Callable[[RunConfig, Modality], Objective]] = {
    "data2vec": Data2Vec,
    "data2vec2": Data2Vec2,
    "hubert": Hubert,
    "reconstruct": Reconstruct,
}


def make_objective(config: RunConfig, modality: Modality) -> Objective | None:
    """Make the objective of a modality, or None if it has none.

    Raises:
        ConfigError: if there is no such objective; the message lists what there is.
    """
    name = config.of(modality).objective
    if name is None:
        return None
    if name not in OBJECTIVES:
        raise ConfigError(f"there is no objective {name!r}; choose from {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name](config, modality)
