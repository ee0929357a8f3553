"""Sizes of the compared training steps, their inputs, and the work that is in them."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from d2v_core.config import OptimConfig, RunConfig, TrunkConfig
from d2v_core.data.walk import seeded
from d2v_core.inputs import Inputs, with_mask
from d2v_core.masking import draw_masks
from d2v_core.modality_config import ConvDecoderConfig, ImageConfig, MaskConfig, TargetConfig


@dataclasses.dataclass(frozen=True)
class Case:
    """Sizes of one comparison."""

    name: str
    dim: int
    depth: int
    prenet_depth: int
    heads: int
    batch: int
    rounds: int
    masks: int = 8
    side: int = 32
    patch: int = 4
    decoder_layers: int = 6
    kernel: int = 3
    groups: int = 16

    @property
    def tokens(self) -> int:
        """Tokens of a picture."""
        return (self.side // self.patch) ** 2

    def config(self, precision: str = "32-true") -> RunConfig:
        """Return the settings of a run of this size."""
        image = ImageConfig(
            size=self.side,
            patch=self.patch,
            mask=MaskConfig(ratio=0.8, length=3, adjust=0.07, inverse=True, masks=self.masks),
            target=TargetConfig(layers=self.depth, average="layer"),
            decoder=ConvDecoderConfig(
                layers=self.decoder_layers,
                kernel=self.kernel,
                width=self.dim,
                groups=self.groups,
            ),
        )
        trunk = TrunkConfig(
            dim=self.dim, depth=self.depth, prenet_depth=self.prenet_depth, heads=self.heads
        )
        optim = OptimConfig(batch=self.batch, precision=precision)  # type: ignore[arg-type]
        return RunConfig(image=image, trunk=trunk, optim=optim)


CASES = (
    Case("tiny", dim=192, depth=8, prenet_depth=2, heads=3, batch=16, rounds=20),
    Case("small", dim=384, depth=12, prenet_depth=0, heads=6, batch=8, rounds=8),
)


def make_batch(case: Case) -> Inputs:
    """Return noise instead of pictures, and real masks."""
    generators = [seeded("benchmark", n) for n in range(case.batch)]
    values = torch.randn(case.batch, 3, case.side, case.side, generator=generators[0])
    grid = (case.side // case.patch,) * 2
    lengths = torch.full((case.batch,), case.tokens)
    settings = case.config().of("image").mask
    mask = draw_masks(lengths, grid, settings, generators=generators)
    return with_mask(Inputs(values, lengths, grid), mask)


def flops(case: Case) -> float:
    """Return the floating-point operations that one step cannot do without.

    Matrix products and convolutions, two operations a multiplication, with their gradients; the
    decoder's last layer counts at masked places only.
    """
    rows, masked = case.batch * case.masks, case.tokens - int(case.tokens * (1 - 0.8))
    seen, whole = case.tokens - masked + 1, case.tokens + 1
    blocks = case.prenet_depth + case.depth

    def encode(count: int, tokens: int) -> float:
        return count * tokens * blocks * (24 * case.dim**2 + 4 * tokens * case.dim)

    patches = 2.0 * case.batch * case.tokens * 3 * case.patch**2 * case.dim
    width = case.dim // case.groups * case.kernel**2
    convolutions = 2.0 * rows * case.tokens * case.decoder_layers * case.dim * width
    projection = 2.0 * rows * masked * case.dim**2
    trained = encode(rows, seen) + convolutions + projection
    return encode(case.batch, whole) + 3 * trained + 3 * patches


def matrix_rates(case: Case, device: torch.device) -> dict[str, float]:
    """Return most operations a second of one block's products and their gradients, by type."""
    rows = case.batch * case.masks * (1 + int(case.tokens * (1 - 0.8)))
    shapes = [(case.dim, 3), (case.dim, 1), (case.dim, 4), (4 * case.dim, 0.25)]
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        products = []
        for width, factor in shapes:
            x = torch.randn(rows, width, device=device, dtype=dtype)
            weight = torch.randn(int(width * factor), width, device=device, dtype=dtype)
            products.append((x, weight, F.linear(x, weight)))

        def once(products: list[Any] = products) -> None:
            for x, weight, y in products:
                F.linear(x, weight)
                y @ weight
                y.T @ x

        seconds = min(timed(once, device) for _ in range(3))
        work = sum(6.0 * rows * weight.numel() for _, weight, _ in products)
        rates[name] = work / seconds
    return rates


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that some work takes, to its very end."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
