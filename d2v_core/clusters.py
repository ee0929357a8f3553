"""Cluster ids of sound: MFCC, k-means, and which cluster a frame belongs to.

HuBERT predicts the ids of clusters that are found before it is trained: first of MFCC, then of a
layer of a model that was trained on those. This is the only file of the core that uses
scikit-learn.

Source: HuBERT, arXiv:2106.07447; fairseq `examples/hubert/simple_kmeans`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from d2v_core.data.audio import SAMPLE_RATE_HZ
from d2v_core.torchaudio_cpu import torchaudio

MFCC_RATE_HZ = 100.0
"""Frames a second: one every 10 ms."""

_WINDOW = SAMPLE_RATE_HZ // 40  # 25 ms
_CHUNK = 1 << 14  # frames whose distances to all clusters are in memory at once


def mfcc(samples: Float[Tensor, " samples"]) -> Float[Tensor, "frames 39"]:
    """Return 13 cepstral coefficients a frame, how they change, and how that changes.

    (samples,) → (frames, 39) with frames = 1 + (samples − 400) // 160: windows of 25 ms every 10 ms
    that lie whole in the sound; a sound shorter than one window is filled up with zeros to exactly
    one. Coefficient 0 is the sum of the log-mel values, not the energy. Changes are slopes over
    five frames, the first and last frame repeated outside.

    Args:
        samples: at 16 kHz, full scale ±1.

    Raises:
        ValueError: if there are no samples.

    Source: Kaldi's `compute-mfcc-feats` with `use-energy=false`, without dither.
    """
    if len(samples) == 0:
        raise ValueError("no samples")
    padded = F.pad(samples, (0, max(0, _WINDOW - len(samples))))
    cepstra = torchaudio.compliance.kaldi.mfcc(
        padded[None], sample_frequency=float(SAMPLE_RATE_HZ), use_energy=False
    ).T
    slopes = torchaudio.functional.compute_deltas(cepstra)
    curves = torchaudio.functional.compute_deltas(slopes)
    return torch.cat([cepstra, slopes, curves]).T.contiguous()


def k_means(
    frames: Float[Tensor, "frames dim"], count: int, *, seed: int, starts: int = 20
) -> Float[Tensor, "clusters dim"]:
    """Return the centroids of mini-batch k-means, with the settings that HuBERT was made with.

    k-means++ chooses the first centroids `starts` times and keeps the best; then batches of 10,000
    frames move them, for at most 100 passes, until 100 batches in a row bring no improvement. A
    cluster that loses its frames is not started anew.

    Args:
        frames: what is clustered.
        count: of clusters.
        seed: of the choice of the first centroids and of the batches.
        starts: 20 in HuBERT; fewer are faster.

    Raises:
        ValueError: if there are fewer frames than clusters.
    """
    from sklearn.cluster import MiniBatchKMeans  # takes a second; other objectives do without

    if len(frames) < count:
        raise ValueError(f"{len(frames)} frames cannot make {count} clusters")
    fitted = MiniBatchKMeans(
        n_clusters=count,
        init="k-means++",
        max_iter=100,
        batch_size=10_000,
        tol=0.0,
        max_no_improvement=100,
        n_init=starts,  # type: ignore[arg-type]  # a number, whatever the stubs say
        reassignment_ratio=0.0,
        compute_labels=False,
        random_state=seed,
    ).fit(frames.float().cpu().numpy())
    return torch.from_numpy(fitted.cluster_centers_).float()


def nearest_cluster(
    frames: Float[Tensor, "frames dim"], centroids: Float[Tensor, "clusters dim"]
) -> Int[Tensor, " frames"]:
    """Return for every frame the id of the centroid at the least squared distance.

    ‖x − c‖² = ‖x‖² − 2 x·c + ‖c‖², and ‖x‖² is the same for all c. In chunks, so that memory does
    not grow with the number of frames.
    """
    lengths = centroids.square().sum(dim=1)
    ids = [
        (lengths - 2 * chunk.float() @ centroids.T).argmin(dim=1) for chunk in frames.split(_CHUNK)
    ]
    return torch.cat(ids)
