"""HuBERT's settings: the published Base configuration, and small ones on spectrograms.

The published numbers are those of `config/pretrain/hubert_base_librispeech.yaml` of fairseq's
`examples/hubert`, with 250,000 steps in the first round and 400,000 in the second. Its learning
rate falls linearly, ours as a cosine.
"""

import dataclasses

from d2v_core.config import RunConfig
from d2v_core.errors import ConfigError
from d2v_core.modality_config import ClusterConfig, MaskConfig, MelConfig, WaveConfig


def hubert(run: RunConfig) -> RunConfig:
    """Return a run of the same size that predicts clusters of sound; it has no other modality.

    Raises:
        ConfigError: if the run has no sounds.
    """
    match run.audio:
        case WaveConfig() as wave:
            return _published(run, wave)
        case MelConfig() as mel:
            return _spectrogram(run, mel)
        case None:
            raise ConfigError(
                f"hubert predicts clusters of sounds, but the run has {', '.join(run.modalities)}"
            )


def _spectrogram(run: RunConfig, mel: MelConfig) -> RunConfig:
    """Tokens of 40 ms that hold all frequencies: as many as patches of 160 ms by a quarter of them.

    A masked token with a visible neighbour at the same time would be too easy. Spans are of 200 ms
    as published; clusters fewer, as small data has fewer kinds of sound.
    """
    audio = dataclasses.replace(
        mel,
        objective="hubert",
        patch_frames=4,
        patch_bins=mel.bins,
        mask=MaskConfig(ratio=0.8, shape="spans", length=5, masks=1, least=2),
        clusters=ClusterConfig(count=100, first_count=50, dim=64, starts=5),
        cls_weight=0.0,
    )
    return dataclasses.replace(run, image=None, audio=audio, text=None)


def _published(run: RunConfig, wave: WaveConfig) -> RunConfig:
    """LibriSpeech 960 h: 2,750 s of sound a step."""
    audio = dataclasses.replace(
        wave,
        objective="hubert",
        conv_norm="group",
        positions="single",
        position_kernel=128,
        position_groups=16,
        normalise=False,
        feature_gradient=0.1,
        alibi=False,
        dropout=0.1,
        mask=MaskConfig(ratio=0.8, shape="spans", length=10, masks=1, least=2),
        clusters=ClusterConfig(
            count=500, first_count=100, first_steps=250_000, share=0.1, starts=20, dim=256
        ),
        train_samples=250_000,
    )
    optim = dataclasses.replace(
        run.optim,
        steps=400_000,
        batch=176,  # of 15.6 s; the published 32 devices hold 87.5 s each
        lr=5e-4,
        warmup_steps=32_000,
        clip_norm=10.0,
        weight_decay=0.01,
        betas=(0.9, 0.98),
        eps=1e-6,
    )
    return dataclasses.replace(run, image=None, audio=audio, text=None, optim=optim)
