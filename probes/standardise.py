"""Centre and scale embeddings, with what was learnt on the fitted items only."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.checks import check_finite


@dataclass(frozen=True)
class Standardiser:
    """Centres every channel and divides all of them by one number.

    One scale for a whole layer gives λ the same meaning at every layer and leaves the geometry as
    it is. Scaling every channel by its own deviation would be another probe.
    """

    mean: Float[np.ndarray, " dim"]
    rms: float

    @classmethod
    def of(cls, x: Float[np.ndarray, "items dim"]) -> "Standardiser":
        """Learn mean and root mean square from the items that the probe is fitted on.

        Raises:
            ValueError: if all items are the same.
        """
        check_finite(x)
        wide = x.astype(np.float64)
        mean = wide.mean(axis=0)
        centred = (wide - mean).ravel()
        rms = float(np.sqrt(centred @ centred / centred.size))
        if rms <= 1e-12 * max(float(wide.max()), -float(wide.min())):
            raise ValueError(
                f"all {len(x)} items have the same embedding: there is nothing to read from it"
            )
        return cls(mean, rms)

    def __call__(self, x: Float[np.ndarray, "items dim"]) -> Float[np.ndarray, "items dim"]:
        """Return centred and scaled embeddings."""
        return (x.astype(np.float64) - self.mean) / self.rms
