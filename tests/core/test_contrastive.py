"""The contrastive losses in closed form, the temperature, and who meets whom."""

import dataclasses
import math

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from d2v_core.config import PairConfig, RunConfig, TrunkConfig
from d2v_core.gather import gather_rows
from d2v_core.objectives.contrastive import Contrastive, clip_loss, meetings, siglip_loss
from tests.core.small import DIM, SETTINGS

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
ALL = (("image", "audio"), ("image", "text"), ("audio", "text"))


def config_of(**pairs):
    """Return a run of all three modalities."""
    return RunConfig(
        image=SETTINGS["image"],
        audio=SETTINGS["mel"],
        text=SETTINGS["text"],
        trunk=TrunkConfig(dim=DIM, depth=2, heads=4),
        pairs=PairConfig(**({"fraction": 1.0, "weight": 1.0, "dim": 16} | pairs)),
    )


def units(items=6, dim=16):
    return F.normalize(torch.randn(items, dim), dim=1)


def scalar(x):
    return torch.tensor(float(x))


# CLIP.


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_orthogonal_pairs_cost_what_the_softmax_of_one_among_many_says(scale):
    """f·g = 1 for the own, 0 for the others: log(1 + (n − 1) exp(−scale))."""
    f = torch.eye(6)
    expected = math.log(1 + 5 * math.exp(-scale))

    assert clip_loss(f, f, scalar(scale)).item() == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_items_that_are_all_the_same_cost_the_logarithm_of_their_number(scale):
    same = units(1).expand(6, 16)

    assert clip_loss(same, same, scalar(scale)).item() == pytest.approx(math.log(6), rel=1e-5)


def test_clip_is_the_mean_of_two_softmaxes_written_out():
    f, g, scale = units(), units(), 5.0
    there = back = 0.0
    for i in range(6):
        own = math.exp(scale * float(f[i] @ g[i]))
        there -= math.log(own / sum(math.exp(scale * float(f[i] @ g[j])) for j in range(6)))
        back -= math.log(own / sum(math.exp(scale * float(f[j] @ g[i])) for j in range(6)))

    loss = clip_loss(f, g, scalar(scale)).item()
    assert loss == pytest.approx((there + back) / 12, rel=1e-5)
    assert there != pytest.approx(back, rel=1e-2)  # so that leaving one out would show


@pytest.mark.parametrize("loss", [clip_loss, lambda f, g, s: siglip_loss(f, g, s, scalar(-1.0))])
def test_losses_are_symmetric_and_do_not_know_the_order_of_pairs(loss):
    f, g, scale, order = units(), units(), scalar(5.0), torch.randperm(6)
    value = loss(f, g, scale)

    torch.testing.assert_close(loss(g, f, scale), value)
    torch.testing.assert_close(loss(f[order], g[order], scale), value)
    assert not torch.isclose(loss(f, g.roll(1, dims=0), scale), value, rtol=1e-2)


def test_gradients_pull_pairs_together_and_push_others_apart():
    f, g = units().requires_grad_(), units()
    clip_loss(f, g, scalar(5.0)).backward()
    moved = -(f.grad @ g.T)  # how the similarity to each changes along the gradient, downhill

    assert (moved.diagonal() > 0).all()
    probability = (5 * f.detach() @ g.T).softmax(dim=1) + (5 * f.detach() @ g.T).softmax(dim=0)
    expected = 5 / 12 * (2 * torch.eye(6) - probability) @ g
    torch.testing.assert_close(-f.grad, expected, **CLOSE)


# SigLIP.


def test_siglip_is_its_formula_written_out():
    f, g, scale, bias = units(), units(), 5.0, -2.0
    total = 0.0
    for i in range(6):
        for j in range(6):
            logit = scale * float(f[i] @ g[j]) + bias
            total += math.log(1 + math.exp(-logit if i == j else logit))

    loss = siglip_loss(f, g, scalar(scale), scalar(bias))
    assert loss.item() == pytest.approx(total / 6, rel=1e-5)


def test_siglip_of_orthogonal_pairs_in_closed_form():
    f = torch.eye(4)
    expected = math.log(1 + math.exp(-(10 - 10))) + 3 * math.log(1 + math.exp(-10))

    loss = siglip_loss(f, f, scalar(10.0), scalar(-10.0))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


# The module.


def pooled(items=6):
    return {m: torch.randn(items, DIM) for m in ("image", "audio", "text")}


def test_temperatures_begin_where_published():
    clip, siglip = Contrastive(config_of()), Contrastive(config_of(loss="siglip"))

    assert len(clip.log_scales) == len(siglip.log_scales) == len(siglip.biases) == 3
    assert len(clip.biases) == 0
    for log_scale in clip.log_scales.values():
        assert log_scale.item() == pytest.approx(2.6593, abs=1e-4)
    for log_scale in siglip.log_scales.values():
        assert log_scale.item() == pytest.approx(math.log(10))
    assert all(bias.item() == -10.0 for bias in siglip.biases.values())


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_the_loss_is_the_weighted_mean_over_pairs_of_modalities(loss):
    module = Contrastive(config_of(loss=loss, weight=4.5))
    with torch.no_grad():
        for n, (a, b) in enumerate(ALL):
            module.log_scales[f"{a}-{b}"].fill_(n)
    given = pooled()
    outcome = module(given, ALL)
    joint = {m: F.normalize(x @ module.heads[m].weight.T, dim=1) for m, x in given.items()}
    for n, (a, b) in enumerate(ALL):
        scale = scalar(math.exp(n))
        expected = (
            clip_loss(joint[a], joint[b], scale)
            if loss == "clip"
            else siglip_loss(joint[a], joint[b], scale, scalar(-10.0))
        )
        torch.testing.assert_close(outcome.losses[f"{a}-{b}"], 1.5 * expected, **CLOSE)
        assert outcome.statistics[f"{a}-{b}/scale"].item() == pytest.approx(math.exp(n))
    assert len(outcome.losses) == 3


def test_the_joint_space_is_a_sphere():
    module = Contrastive(config_of())
    joint = module.project("text", 100 * torch.randn(6, DIM))

    assert joint.shape == (6, 16)
    torch.testing.assert_close(joint.norm(dim=1), torch.ones(6))


@pytest.mark.parametrize(("towards", "limit"), [(-1.0, 100.0), (1.0, 1.0)])
def test_the_temperature_is_clamped_after_a_step_with_a_huge_gradient(towards, limit):
    module = Contrastive(config_of())
    optimizer = torch.optim.SGD(module.log_scales.parameters(), lr=1.0)
    for log_scale in module.log_scales.values():
        log_scale.grad = scalar(1e6 * towards)
    optimizer.step()
    module.clamp()

    for log_scale in module.log_scales.values():
        assert log_scale.exp().item() == pytest.approx(limit)


def test_a_hub_meets_all_others_and_they_do_not_meet():
    """As in ImageBind: what sound and text have in common is left to emerge."""
    hub = config_of(between=ALL[:2])
    module, given = Contrastive(hub), pooled()
    outcome = module(given, ALL[:2])
    assert set(outcome.losses) == {"image-audio", "image-text"}
    assert set(module.log_scales) == {"image-audio", "image-text"}
    swapped = given | {"audio": given["audio"].flip(0)}

    assert outcome.losses["image-text"] == module(swapped, ALL[:2]).losses["image-text"]
    assert outcome.losses["image-audio"] != module(swapped, ALL[:2]).losses["image-audio"]


@pytest.mark.parametrize(
    ("missing", "left"),
    [("image", [ALL[2]]), ("audio", [ALL[1]]), ("text", [ALL[0]])],
)
def test_only_modalities_of_the_run_meet(missing, left):
    assert meetings(config_of()) == list(ALL)
    assert meetings(dataclasses.replace(config_of(), **{missing: None})) == left


def test_gradients_reach_heads_temperatures_and_what_was_pooled():
    module = Contrastive(config_of(loss="siglip"))
    given = {m: x.requires_grad_() for m, x in pooled().items()}
    module(given, ALL).total.backward()

    assert all(x.grad.any() for x in given.values())
    assert all(p.grad is not None and p.grad.any() for p in module.parameters())


# Many processes.


def test_with_one_process_rows_are_returned_as_they_are():
    x = torch.randn(3, 2, requires_grad=True)

    assert gather_rows(x) is x


class TwoProcesses:
    """Stands in for torch.distributed, as seen by one of two that do the same."""

    def __init__(self, monkeypatch, rank, theirs):
        self.rank, self.theirs = rank, theirs
        monkeypatch.setattr(dist, "is_initialized", lambda: True)
        monkeypatch.setattr(dist, "get_world_size", lambda: 2)
        monkeypatch.setattr(dist, "get_rank", lambda: rank)
        monkeypatch.setattr(dist, "all_gather", self.all_gather)
        monkeypatch.setattr(dist, "all_reduce", self.all_reduce)

    def all_gather(self, parts, mine):
        parts[self.rank].copy_(mine)
        parts[1 - self.rank].copy_(self.theirs.pop(0))

    @staticmethod
    def all_reduce(x):
        x *= 2  # both have the same loss of the same rows


def test_rows_of_two_processes_give_the_loss_and_the_gradient_of_one(monkeypatch):
    """Averaged over the processes, as data-parallel training does it."""
    module, given = Contrastive(config_of()), pooled(items=6)
    whole = module(given, ALL).total
    whole.backward()
    expected = [p.grad.clone() for p in module.parameters()]
    joint = {m: module.project(m, x).detach() for m, x in given.items()}
    halves = (slice(0, 3), slice(3, 6))
    module.zero_grad()
    for rank in (0, 1):
        theirs = [x[halves[1 - rank]] for x in joint.values()]
        with monkeypatch.context() as patch:
            TwoProcesses(patch, rank, theirs)
            loss = module({m: x[halves[rank]] for m, x in given.items()}, ALL).total
            torch.testing.assert_close(loss, whole)
            (loss / 2).backward()

    for parameter, gradient in zip(module.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, **CLOSE)


def test_scores_are_fp32_in_a_mixed_precision_step():
    """At a scale of 100 half precision would shift them by tenths."""
    first, second = (torch.nn.functional.normalize(torch.randn(8, 64), dim=-1) for _ in range(2))
    scale = torch.tensor(100.0)
    expected = clip_loss(first, second, scale)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = clip_loss(first, second, scale)

    torch.testing.assert_close(mixed, expected, rtol=1e-6, atol=1e-6)


def test_only_those_meet_whom_a_batch_is_for():
    """Rows with a picture and a sentence, but no sound: the temperatures of sounds get nothing."""
    module, given = Contrastive(config_of()), pooled()
    del given["audio"]
    outcome = module(given, (("image", "text"),))
    outcome.total.backward()
    alone = Contrastive(config_of(between=(("image", "text"),)))
    alone.heads.load_state_dict(module.heads.state_dict())

    torch.testing.assert_close(outcome.total, alone(given, (("image", "text"),)).total)
    assert module.log_scales["image-text"].grad is not None
    assert module.log_scales["image-audio"].grad is None
    assert module.heads["audio"].weight.grad is None
