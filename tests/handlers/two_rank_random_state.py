"""Saves and resumes two ranks with different generators: ``python two_rank_random_state.py FOLDER``."""

from __future__ import annotations

import random
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def draw() -> list[float]:
    return [random.random(), *torch.rand(3).tolist()]


def work(rank: int, folder: str) -> None:
    from ignite.engine import Engine

    from monai_memvit import RandomState, ResumeCheckpoint

    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    random.seed(rank)
    torch.manual_seed(rank)
    drawn: list[list[float]] = []

    def step(engine: Engine, batch: int) -> None:
        if engine.state.epoch == 2:
            drawn.append(draw())

    for epochs in (1, 2):
        engine = Engine(step)
        ResumeCheckpoint({"random": RandomState()}, f"{folder}/checkpoint.pt", resume=True).attach(engine)
        engine.run([0], max_epochs=epochs)
        dist.barrier()
        drawn += [draw()] if epochs == 1 else []
    torch.save(drawn, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(work, (sys.argv[1],), nprocs=2)
