"""The published Base configurations of data2vec 2.0, number for number.

Where files and paper disagree, these are the numbers of the files
(`config/v2/base_{images,audio,text}_only_task.yaml` of fairseq's `examples/data2vec`). Items a step
are counted over all devices. Pictures are scaled to −1 … 1 instead of by ImageNet's mean and
deviation, which the first layer makes up for.
"""

from collections.abc import Callable

from d2v_core.config import OptimConfig, RunConfig, TeacherConfig, TrunkConfig
from d2v_core.modality_config import (
    ConvDecoderConfig,
    ImageConfig,
    MaskConfig,
    TargetConfig,
    TextConfig,
    WaveConfig,
)


def _image() -> RunConfig:
    """ImageNet-1k: 75 epochs of 256 pictures a step, 16 masked views each."""
    return RunConfig(
        image=ImageConfig(
            mask=MaskConfig(ratio=0.8, adjust=0.07, length=3, inverse=True, masks=16),
            target=TargetConfig(layers=10, average="layer"),
            decoder=ConvDecoderConfig(layers=6, kernel=3, width=768, groups=16),
            size=224,
            patch=16,
            smallest_crop=0.2,
            # 0.01 on a sum over the 256 masked views of a device is 2.56 on their mean.
            cls_weight=2.56,
        ),
        trunk=TrunkConfig(dim=768, depth=10, prenet_depth=2, heads=12, norm_eps=1e-6),
        teacher=TeacherConfig(
            ema_decay_start=0.9998, ema_decay_end=0.99999, ema_anneal_steps=100_000
        ),
        optim=OptimConfig(
            steps=375_300,
            batch=256,
            lr=1e-3,
            warmup_steps=50_040,
            weight_decay=0.05,
            betas=(0.9, 0.95),
            clip_norm=4.0,
            precision="bf16-mixed",
        ),
    )


def _audio() -> RunConfig:
    """LibriSpeech 960 h: 500 s of sound a step, 8 masked views of each second."""
    return RunConfig(
        audio=WaveConfig(
            mask=MaskConfig(ratio=0.5, adjust=0.05, length=5, masks=8),
            target=TargetConfig(layers=8),
            decoder=ConvDecoderConfig(layers=4, kernel=7, width=384, groups=16, dropout=0.1),
            dropout=0.1,
            train_samples=250_000,
            max_samples=320_000,
        ),
        trunk=TrunkConfig(
            dim=768,
            depth=12,
            prenet_depth=0,
            heads=12,
            norm_eps=1e-5,
            dropout=0.1,
            attention_dropout=0.1,
            layer_drop=0.05,
        ),
        teacher=TeacherConfig(
            ema_decay_start=0.999, ema_decay_end=0.99999, ema_anneal_steps=75_000
        ),
        optim=OptimConfig(
            steps=400_000,
            batch=32,  # of 15.6 s: 500 s
            lr=7.5e-4,
            warmup_steps=8_000,
            weight_decay=0.01,
            betas=(0.9, 0.98),
            eps=1e-6,
            clip_norm=0.0,
            precision="bf16-mixed",
        ),
    )


def _text() -> RunConfig:
    """Books and Wikipedia: 64 blocks of 512 tokens a step, 8 masked views each."""
    return RunConfig(
        text=TextConfig(
            mask=MaskConfig(ratio=0.48, inverse=True, masks=8),
            target=TargetConfig(layers=12),
            decoder=ConvDecoderConfig(
                layers=5,
                kernel=9,
                width=768,
                groups=1,
                residual=False,
                projections=2,
                dropout=0.1,
            ),
            loss_scale="sum",
            dropout=0.1,
            vocabulary="FacebookAI/roberta-base",
            size=50_265,
            max_tokens=512,
        ),
        trunk=TrunkConfig(
            dim=768,
            depth=12,
            prenet_depth=0,
            heads=12,
            norm_eps=1e-5,
            dropout=0.1,
            attention_dropout=0.1,
        ),
        teacher=TeacherConfig(
            ema_decay_start=0.9999, ema_decay_end=0.99999, ema_anneal_steps=100_000
        ),
        optim=OptimConfig(
            steps=1_000_000,
            batch=64,
            lr=2e-4,
            warmup_steps=4_000,
            weight_decay=0.01,
            betas=(0.9, 0.98),
            eps=1e-6,
            clip_norm=1.0,
            precision="bf16-mixed",
        ),
    )


BASE: dict[str, Callable[[], RunConfig]] = {
    "base-image": _image,
    "base-audio": _audio,
    "base-text": _text,
}
