"""The attentions that are compared, and one measurement of each kind."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from ...networks.blocks import FeatureMapAttention, SequenceNormAttention, SimaAttention, SoftmaxAttention
from ...networks.nets import MemViT, SeqNormViT
from ...networks.streaming import StreamedViT
from ..tools.peak_memory import forget_resident_peak, peak_bytes, resident_peak, saved_bytes
from ..tools.timing import Stopwatch, interleave

__all__ = ["measure_networks", "measure_streaming", "measure_sublayers"]


_REPEATED = 2**17  # tokens up to which streaming is timed three times


class _DirectForm(SequenceNormAttention):
    """Never takes the Gram form."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.direct_form(x, mask)


_ARMS: Mapping[str, Callable[..., nn.Module]] = {
    "sequence norm": SequenceNormAttention,
    "direct form": _DirectForm,
    "SimA": SimaAttention,
    "feature map": FeatureMapAttention,
    "softmax": SoftmaxAttention,
}


def measure_sublayers(
    width: int, tokens: int, with_softmax: bool, rounds: int, dtype: torch.dtype, stopwatch: Stopwatch
) -> list[dict[str, Any]]:
    """One attention sub-layer, output projection included: inference and training step, arms in turn.

    Args:
        width: D; heads of 64 channels.
        tokens: T, of one sample.
        with_softmax: whether softmax attention takes part.
        rounds: timed calls of each arm.
        dtype: of input and weights.
        stopwatch: what times.

    Returns:
        a row per arm and kind of work.
    """
    device = stopwatch.device
    torch.manual_seed(0)
    x = torch.randn(1, tokens, width, device=device, dtype=dtype, requires_grad=True)
    gradient = torch.randn_like(x)
    layers = {name: make(width, width // 64).to(device, dtype) for name, make in _ARMS.items()}
    if not with_softmax:
        del layers["softmax"]

    @torch.no_grad()
    def infer(layer: nn.Module) -> None:
        layer(x)

    def train(layer: nn.Module) -> None:
        layer(x).backward(gradient)

    rows = []
    for work, run in (("inference", infer), ("training step", train)):
        arms = {name: _call(run, layer) for name, layer in layers.items()}
        seconds = interleave(arms, rounds, stopwatch)
        for name, layer in layers.items():
            rows.append({"width": width, "tokens": tokens, "arm": name, "work": work, **_spread(seconds[name])})
            rows[-1]["peak_bytes"] = peak_bytes(arms[name], device)
            if work == "training step":
                rows[-1]["saved_bytes"] = saved_bytes(_call(layer, x), list(layer.parameters()))
    return rows


def measure_networks(image_size: int, rounds: int, dtype: torch.dtype, stopwatch: Stopwatch) -> list[dict[str, Any]]:
    """Forward pass of a whole ViT-Tiny with patches of 16 pixels, batch 1.

    Args:
        image_size: pixels per axis.
        rounds: timed calls of each arm.
        dtype: of image and weights.
        stopwatch: what times.

    Returns:
        a row per network.
    """
    torch.manual_seed(0)
    sizes = {"in_channels": 1, "img_size": image_size, "num_classes": 2, "pos_embed": "sincos"}
    networks = {
        "sequence norm": SeqNormViT.from_preset("tiny", **sizes),
        "SimA": MemViT.from_preset("tiny", attention=SimaAttention, **sizes),
        "softmax": MemViT.from_preset("tiny", **sizes),
    }
    store = partial(torch.empty, device=stopwatch.device, dtype=dtype)
    networks["sequence norm, streamed"] = StreamedViT(networks["sequence norm"], store=store)
    image = torch.rand(1, 1, image_size, image_size, device=stopwatch.device, dtype=dtype)

    @torch.no_grad()
    def infer(network: nn.Module) -> None:
        network(image)

    arms = {name: _call(infer, network.to(stopwatch.device, dtype).eval()) for name, network in networks.items()}
    seconds = interleave(arms, rounds, stopwatch)
    return [
        {
            "image": image_size,
            "arm": name,
            **_spread(seconds[name]),
            "peak_bytes": peak_bytes(arms[name], stopwatch.device),
        }
        for name in arms
    ]


def measure_streaming(tokens: int, chunk_size: int, threads: int) -> dict[str, Any]:
    """A streamed ViT-Tiny over so many embedded tokens, on the CPU in float32.

    It runs in a process of its own, for its peak of resident memory.

    Args:
        tokens: N.
        chunk_size: tokens at work at a time.
        threads: of torch.

    Returns:
        seconds, microseconds per token, and the bytes that were resident beyond the tokens, the
        network and the loaded libraries, as Linux counts them.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_stream, (tokens, chunk_size, threads))


@torch.no_grad()
def _stream(tokens: int, chunk_size: int, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = SeqNormViT.from_preset("tiny", in_channels=1, img_size=224, num_classes=2).eval()
    streamed = StreamedViT(network, chunk_size)
    streamed.stream(torch.randn(1, 2 * chunk_size, 192).split(chunk_size, 1))
    store = torch.empty(1, tokens, 192)
    for chunk in store.split(chunk_size, 1):
        chunk.normal_()
    before = forget_resident_peak()
    chunks = store.split(chunk_size, 1)
    stopwatch, runs = Stopwatch(torch.device("cpu")), 3 if tokens <= _REPEATED else 1
    seconds = median(stopwatch(lambda: streamed.stream(chunks)) for _ in range(runs))
    return {
        "tokens": tokens,
        "seconds": seconds,
        "microseconds_per_token": 1e6 * seconds / tokens,
        "beyond_tokens_bytes": resident_peak() - before,
    }


def _call(work: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: work(*arguments)


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"seconds": median(seconds), "fastest": min(seconds), "slowest": max(seconds)}
