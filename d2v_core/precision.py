"""Which precision is faster here: asked of the machine, once, when a run starts."""

import dataclasses
import os
import time

import torch

from d2v_core.config import RunConfig

ROWS, TRIALS, WORTH = 4096, 5, 1.2


def settle_precision(config: RunConfig) -> RunConfig:
    """Return the settings with "auto" replaced by what is faster on this machine.

    On a CPU a product of the trunk's own shapes is timed in fp32 and in bf16, in turns; bf16 has to
    be faster by a fifth, because a step is not products alone. Some CPUs have bf16 instructions
    that are slower than their fp32 ones. Many processes, which might not agree, take fp32 there.
    GPUs that know bf16 get it.
    """
    if config.optim.precision != "auto":
        return config
    if torch.cuda.is_available():
        is_faster = torch.cuda.is_bf16_supported(including_emulation=False)
    elif int(os.environ.get("WORLD_SIZE", "1")) > 1:
        is_faster = False
    else:
        is_faster = speed_of_bf16(config.trunk.dim, config.trunk.mlp_ratio) > WORTH
    optim = dataclasses.replace(config.optim, precision="bf16-mixed" if is_faster else "32-true")
    return dataclasses.replace(config, optim=optim)


def speed_of_bf16(dim: int, ratio: int) -> float:
    """Return how many times faster a product of the MLP's shape is in bf16 than in fp32."""
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for _ in range(TRIALS + 1):  # the first one warms up
        for dtype, times in seconds.items():
            x, w = torch.ones(ROWS, dim, dtype=dtype), torch.ones(dim, ratio * dim, dtype=dtype)
            start = time.perf_counter()
            torch.mm(x, w)
            times.append(time.perf_counter() - start)
    best = {dtype: min(times[1:]) for dtype, times in seconds.items()}
    return best[torch.float32] / best[torch.bfloat16]
