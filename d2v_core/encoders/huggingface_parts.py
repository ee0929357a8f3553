"""A tower of a Hugging Face model with its weights, every layer of it listened to.

The layers are heard at the modules that make them: block 1 says what it takes, every block and the
norm behind the last one what they give.
"""

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from d2v_core.encoders.huggingface_batches import Preparation
from d2v_core.encoders.huggingface_families import Tower
from d2v_core.encoders.sentences import SentenceHead

EMBED, NORM, JOINT, SENTENCE = "embed", "final_norm", "joint", "sentence"


@dataclass(frozen=True)
class States:
    """What a tower makes of a batch.

    Attributes:
        layers: by tap; all tokens, those in front among them, or one vector an item at `joint` and
            `sentence`.
        extra: tokens in front that are no part of the item.
        own: which of the others are; None if all are.
        summary: the place of each item's summary; None if it is the first.
    """

    layers: dict[str, Tensor]
    extra: int
    own: Bool[Tensor, "items tokens"] | None
    summary: Int64[Tensor, " items"] | None


class Part:
    """A tower with its weights.

    Args:
        model: that it is part of.
        tower: where its layers are.
        config: its settings.
        prepare: how items become its input.
        head: what makes a sentence vector, if anything does.
    """

    def __init__(
        self,
        model: nn.Module,
        tower: Tower,
        *,
        config: Any,  # noqa: ANN401
        prepare: Preparation,
        head: SentenceHead | None,
    ) -> None:
        self.tower, self.config, self.prepare, self.head = tower, config, prepare, head
        self.body = model.get_submodule(tower.at).eval().requires_grad_(False)
        self.blocks = list(_modules(self.body, tower.blocks))
        self.ffn = [block.get_submodule(tower.ffn) for block in self.blocks]
        has_norm = tower.norm_if is None or getattr(config, tower.norm_if)
        has_norm = has_norm and not (tower.norm_unless and getattr(config, tower.norm_unless))
        self.norm = self.body.get_submodule(tower.norm) if tower.norm and has_norm else None
        self.projection: nn.Module | None = None
        if tower.projection is not None:
            path = tower.projection
            self.projection = model.get_submodule(path).eval() if path else nn.Identity()
        self.lock = threading.Lock()  # hooks would hear another thread's run

    def weights(self) -> nn.ModuleList:
        """Return every module that has a share in what comes out."""
        dense = () if self.head is None else self.head.dense
        return nn.ModuleList([self.body, *([self.projection] if self.projection else []), *dense])

    def settings(self) -> list[Any]:
        """Return everything besides weights that changes what comes out."""
        head = None if self.head is None else self.head.settings
        return [self.config.to_dict(), self.prepare.settings(), head]

    def widths(self, *, ffn: bool) -> dict[str, int]:
        """Return the width of every tap, in order."""
        each = [_width(module) for module in self.ffn]
        found = {EMBED: each[0]}
        found |= {f"block_{n:02d}.resid": width for n, width in enumerate(each, 1)}
        found |= {NORM: each[-1]} if self.norm is not None else {}
        found |= {f"block_{n:02d}.ffn": width for n, width in enumerate(each, 1)} if ffn else {}
        if self.projection is not None:
            found[JOINT] = _width(self.projection if self.tower.projection else self.body)
        if self.head is not None:
            found[SENTENCE] = self.head.width(each[-1])
        return found

    def states(
        self, tensors: Sequence[Tensor], device: torch.device, *, taps: Sequence[str]
    ) -> States:
        """Run the tower on decoded items and return the layers at these taps."""
        batch = self.prepare.batch(tensors)
        arguments = {name: x.to(device) for name, x in batch.arguments.items()}
        with self.lock, self._listening(taps) as layers, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            output = self.body(**arguments)
        if JOINT in taps and self.projection is not None:
            layers[JOINT] = F.normalize(self.projection(output.pooler_output).float(), dim=1)
        if SENTENCE in taps and self.head is not None:
            last = NORM if self.norm is not None else f"block_{len(self.blocks):02d}.resid"
            layers[SENTENCE] = self.head(layers[last], arguments["attention_mask"])
        return States(
            layers,
            self.prepare.extra,
            None if batch.own is None else batch.own.to(device),
            None if batch.summary is None else batch.summary.to(device),
        )

    @contextmanager
    def _listening(self, taps: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        """Keep what modules give in the dictionary that is yielded, while the context lasts."""
        heard: dict[str, Tensor] = {}

        def before(_module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            heard[EMBED] = args[0] if args else named["hidden_states"]

        def listen(module: nn.Module, tap: str) -> Any:  # noqa: ANN401
            def after(_module: nn.Module, _args: object, output: Any) -> None:  # noqa: ANN401
                heard[tap] = output[0] if isinstance(output, tuple) else output

            return module.register_forward_hook(after)

        named = {f"block_{n:02d}.resid": block for n, block in enumerate(self.blocks, 1)}
        named |= {f"block_{n:02d}.ffn": module for n, module in enumerate(self.ffn, 1)}
        named |= {} if self.norm is None else {NORM: self.norm}
        handles = [self.blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
        handles += [listen(module, tap) for tap, module in named.items() if tap in taps]
        try:
            yield heard
        finally:
            for handle in handles:
                handle.remove()


def _modules(body: nn.Module, path: str) -> Iterator[nn.Module]:
    """Yield the modules of a list, or of the lists at every number that stands for `*`."""
    outer, star, inner = path.partition(".*.")
    listed = body.get_submodule(outer).children()
    if not star:
        yield from listed
        return
    for module in listed:
        yield from module.get_submodule(inner).children()


def _width(module: nn.Module) -> int:
    """Return how many channels the last linear map of a module gives."""
    return [part.out_features for part in module.modules() if isinstance(part, nn.Linear)][-1]
