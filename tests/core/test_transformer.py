"""Blocks against a plain reference, padding against its absence, eager against fused attention."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from d2v_core.config import TrunkConfig
from d2v_core.modalities.positions import sincos_grid
from d2v_core.transformer import Attention, Block, Trunk, is_eager_faster, padding_bias

CONFIG = TrunkConfig(dim=32, depth=3, heads=4)


def test_a_block_is_post_norm_and_its_ffn_output_comes_before_the_skip():
    block = Block(CONFIG)
    x = torch.randn(2, 5, 32)
    middle = F.layer_norm(
        x + block.attn(x), (32,), block.norm1.weight, block.norm1.bias, CONFIG.norm_eps
    )
    ffn = block.mlp.fc2(F.gelu(block.mlp.fc1(middle)))
    out = F.layer_norm(middle + ffn, (32,), block.norm2.weight, block.norm2.bias, CONFIG.norm_eps)

    got, got_ffn = block(x)

    torch.testing.assert_close(got, out)
    torch.testing.assert_close(got_ffn, ffn)


def test_attention_equals_torch_multihead_attention():
    ours, theirs = Attention(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.in_proj_weight.data = ours.qkv.weight.data
    theirs.in_proj_bias.data = ours.qkv.bias.data
    theirs.out_proj.load_state_dict(ours.proj.state_dict())
    x = torch.randn(2, 7, 32)

    torch.testing.assert_close(ours(x), theirs(x, x, x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("is_padded", [True, False])
def test_attention_in_bf16_agrees_with_fp32_whichever_kernel_it_takes(is_padded):
    attention, x = Attention(32, 4), torch.randn(2, 7, 32)
    valid = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    bias = padding_bias(valid) if is_padded else None
    exact = attention(x, bias)
    with torch.autocast("cpu", torch.bfloat16):
        assert is_eager_faster(attention.qkv(x))
        eager = attention(x, bias)
        with torch.no_grad():
            assert not is_eager_faster(attention.qkv(x))
            fused = attention(x, bias)

    torch.testing.assert_close(eager.float(), exact, rtol=0.05, atol=0.02)
    torch.testing.assert_close(fused.float(), exact, rtol=0.05, atol=0.02)


def test_padding_changes_nothing():
    trunk, x = Trunk(CONFIG), torch.randn(1, 6, 32)
    alone = trunk(x).residual
    padded = torch.cat([x, torch.randn(1, 3, 32)], dim=1)
    valid = torch.tensor([[True] * 6 + [False] * 3])
    inside = trunk(padded, padding_bias(valid)).residual

    for a, b in zip(alone, inside, strict=True):
        torch.testing.assert_close(a, b[:, :6])


def test_layer_zero_is_the_input_and_there_is_one_state_a_block():
    trunk, x = Trunk(CONFIG), torch.randn(2, 4, 32)
    states = trunk(x)

    assert states.residual[0] is x
    assert len(states.residual) == 4
    assert len(states.ffn) == 3


def test_tokens_may_be_permuted():
    trunk, x, order = Trunk(CONFIG), torch.randn(2, 6, 32), torch.randperm(6)

    torch.testing.assert_close(trunk(x[:, order]).residual[-1], trunk(x).residual[-1][:, order])


def test_positions_encode_the_column_first_then_the_row():
    grid = sincos_grid(3, 4, 16)

    assert grid[1, 0].item() == pytest.approx(0.84147, abs=1e-5)  # column 1, row 0: sin 1
    assert grid[4, 8].item() == pytest.approx(0.84147, abs=1e-5)  # column 0, row 1
    assert grid[4, 0].item() == 0.0
    assert len(grid.unique(dim=0)) == 12
