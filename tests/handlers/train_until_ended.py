"""A recorded training that waits for a signal in its first epoch: ``python train_until_ended.py TRACKING_URI``."""

from __future__ import annotations

import signal
import sys
from typing import Any

from ignite.engine import Engine

from monai_memvit.handlers import RunRecorder


def wait(engine: Engine, batch: Any) -> None:
    print("training", flush=True)
    signal.pause()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C, and so would we
    trainer = Engine(wait)
    RunRecorder("ended", tracking_uri=sys.argv[1], experiment_name="study", iteration_log=False).attach(trainer)
    trainer.run([0])
