"""Is it learning, or has it collapsed? Measured on a fixed set of items, without gradients.

The spread of the targets cannot tell: instance norm blows up whatever is left, and a target that is
constant but for 0.1 % of noise has a spread of 1. So what is watched is the spread before any norm,
the rank of the embeddings, their mean cosine, and whether neighbours share a label.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from d2v_core.config import RunConfig
from d2v_core.data.batches import Collator
from d2v_core.data.folder import DataFolder, Item
from d2v_core.data.steps import ItemCache
from d2v_core.errors import CollapseError, MediaError, TrainingError
from d2v_core.inputs import Inputs
from d2v_core.modality import Modality
from d2v_core.model import Student

BANK, QUERIES, NEIGHBOURS, BATCH = 512, 256, 10, 64
LIMITS = {
    "raw_std": ("raw activation std", 1e-3, True, "the teacher says the same of everything"),
    "target_std": ("target std", 0.1, True, "there is nothing to predict"),
    "prediction_std": ("prediction std", 0.01, True, "the student predicts a constant"),
    "effective_rank": ("effective rank", 1.5, True, "all items lie on one line"),
    "mean_cosine": ("mean pairwise cosine", 0.9999, False, "all items look alike"),
}
"""By signal: what it is called, its limit, whether that is a floor, what it means to pass it."""


def effective_rank(x: Float[Tensor, "items dim"]) -> float:
    """Return exp of the entropy of the normalised singular values (RankMe).

    Source: RankMe, arXiv:2210.02885.
    """
    values = torch.linalg.svdvals(x.double())
    share = values / values.sum() + 1e-7
    return float(torch.exp(-(share * share.log()).sum()))


def mean_cosine(x: Float[Tensor, "items dim"]) -> float:
    """Return the mean cosine between different items."""
    unit = F.normalize(x.double(), dim=-1)
    items = len(x)
    return float((unit.sum(dim=0).square().sum() - items) / (items * (items - 1)))


def knn_accuracy(
    bank: Float[Tensor, "bank dim"],
    bank_labels: Int[Tensor, " bank"],
    queries: Float[Tensor, "queries dim"],
    labels: Int[Tensor, " queries"],
) -> float:
    """Return the share of queries whose nearest bank items, by cosine, vote for their label."""
    near = (F.normalize(queries, dim=-1) @ F.normalize(bank, dim=-1).T).topk(
        min(NEIGHBOURS, len(bank))
    )
    weight = torch.exp((near.values - near.values.amax(dim=1, keepdim=True)) / 0.07)
    votes = torch.zeros(len(queries), int(bank_labels.max()) + 1)
    votes.scatter_add_(1, bank_labels[near.indices], weight)
    return float((votes.argmax(dim=1) == labels).float().mean())


class Monitor:
    """A fixed set of items of every modality, measured again and again.

    Items that cannot be decoded are left out.

    Args:
        folder: labelled training items are the bank, labelled validation items the queries.
        config: of the run.
        cache: decodes items, shared with training.
    """

    def __init__(self, folder: DataFolder, config: RunConfig, cache: ItemCache) -> None:
        self.batches: dict[Modality, list[Inputs]] = {}
        self.labels: dict[Modality, Int[Tensor, " items"]] = {}
        self.banks: dict[Modality, int] = {}
        for modality in config.modalities:
            in_split = {
                split: [item for item in folder.of(modality) if item.split == split]
                for split in ("train", "val")
            }
            bank, bank_tensors = _decoded(_spread(in_split["train"], BANK), cache)
            queries, query_tensors = _decoded(_spread(in_split["val"], QUERIES), cache)
            items, tensors = bank + queries, bank_tensors + query_tensors
            names = sorted({item.label for item in bank if item.label is not None})
            codes = {name: code for code, name in enumerate(names)}
            collate = Collator(config, modality)
            self.batches[modality] = [
                collate(tensors[start : start + BATCH]) for start in range(0, len(tensors), BATCH)
            ]
            self.labels[modality] = torch.tensor([codes.get(i.label or "", -1) for i in items])
            self.banks[modality] = len(bank)

    @torch.no_grad()
    def measure(self, student: Student) -> dict[str, float]:
        """Return rank, mean cosine and kNN accuracy of the last layer of every modality.

        Raises:
            TrainingError: if an embedding is not finite.
        """
        device = next(student.parameters()).device
        found: dict[str, float] = {}
        for modality, batches in self.batches.items():
            x = torch.cat(
                [student.pooled_layers(modality, batch.to(device))[-1].cpu() for batch in batches]
            )
            if not bool(x.isfinite().all()):
                raise TrainingError(
                    f"embeddings of {modality} are not finite; the last checkpoint is whole, but "
                    "start again with a lower learning rate"
                )
            bank, labels = self.banks[modality], self.labels[modality]
            found[f"{modality}/effective_rank"] = effective_rank(x)
            found[f"{modality}/mean_cosine"] = mean_cosine(x)
            known = labels >= 0
            train, val = known.clone(), known.clone()
            train[bank:], val[:bank] = False, False
            if train.any() and val.any():
                centred = x - x[train].mean(dim=0)
                found[f"{modality}/knn"] = knn_accuracy(
                    centred[train], labels[train], centred[val], labels[val]
                )
        return found


def _spread(items: list[Item], most: int) -> list[Item]:
    """Return at most `most` items, spread evenly over the list."""
    if len(items) <= most:
        return items
    return [items[n * len(items) // most] for n in range(most)]


def _decoded(items: list[Item], cache: ItemCache) -> tuple[list[Item], list[Tensor]]:
    """Return the items that can be decoded, and what they are decoded to."""
    good: list[Item] = []
    tensors: list[Tensor] = []
    for item in items:
        try:
            tensors.append(cache(item))
        except MediaError:  # the training passes over it, and says so
            continue
        good.append(item)
    return good, tensors


def refuse_collapse(numbers: dict[str, float]) -> None:
    """Stop a training whose representation has collapsed.

    Args:
        numbers: by name, "MODALITY/SIGNAL"; signals that are not there are not judged.

    Raises:
        CollapseError: naming the signal, its value and the limit.
    """
    for name, value in numbers.items():
        modality, _, signal = name.rpartition("/")
        if signal in LIMITS:
            words, limit, is_floor, meaning = LIMITS[signal]
            if (value < limit) if is_floor else (value > limit):
                raise CollapseError(
                    f"{modality.split('/')[0]} collapsed: {words} {value:.5g} is "
                    f"{'below' if is_floor else 'above'} {limit:g}, {meaning}; "
                    "lower the learning rate or raise the teacher's decay"
                )
