"""MLflow tracking that records what a run needs to be repeated, and never joins another run."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import strftime
from typing import Any

from ignite.engine import Engine, Events
from monai.handlers import MLFlowHandler

__all__ = ["RunRecorder", "unique_run_name"]

_PACKAGES = ("monai_memvit", "monai", "torch", "numpy", "pytorch-ignite", "mlflow", "faiss-cpu")


def unique_run_name(prefix: str = "run") -> str:
    """A name that no other run has; MONAI's handler joins an unfinished run of the same, or of no, name.

    Args:
        prefix: what the run is about.

    Returns:
        prefix, time and six random digits.
    """
    return f"{prefix}_{strftime('%Y%m%d_%H%M%S')}_{uuid.uuid4().hex[:6]}"


class RunRecorder(MLFlowHandler):
    """MONAI's ``MLFlowHandler`` with parameters and versions at a run's start, final metrics and artifacts at its end.

    A run that ends by an error is marked FAILED. Validation metrics go into the same run by a plain ``MLFlowHandler``
    of the same ``run_name`` on the evaluator. ``MLFLOW_TRACKING_URI`` overrides ``tracking_uri``.

    Args:
        run_name: unique, see :func:`unique_run_name`.
        parameters: logged as they are: seed, data fingerprint, ...
        artifacts: files or folders logged at the end; those that do not exist are passed over.
        **kwargs: those of ``MLFlowHandler``.

    Raises:
        ValueError: when ``run_name`` is empty.
    """

    def __init__(
        self,
        run_name: str,
        parameters: Mapping[str, Any] | None = None,
        artifacts: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if not run_name:
            raise ValueError("run_name must not be empty: MONAI would write into any unfinished run.")
        parameters = {**_versions(), "git_commit": _git_commit(), **(parameters or {})}
        super().__init__(
            run_name=run_name, experiment_param=parameters, artifacts=artifacts, close_on_complete=True, **kwargs
        )

    def attach(self, engine: Engine) -> None:
        """Register with a trainer, after the handlers that add metrics and before ``StatsHandler``.

        MONAI's ``StatsHandler`` raises an error anew, and handlers attached after it never hear of it.

        Args:
            engine: the trainer.
        """
        engine.add_event_handler(Events.COMPLETED, self._log_final_metrics)
        super().attach(engine)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _log_final_metrics(self, engine: Engine) -> None:
        self._log_metrics(engine.state.metrics, step=engine.state.epoch)

    def _fail(self, engine: Engine, error: BaseException) -> None:
        if self.cur_run is not None:
            self.client.set_terminated(self.cur_run.info.run_id, "FAILED")
            self.cur_run = None
        raise error

    def _parse_artifacts(self) -> list[str]:
        return [path for path in super()._parse_artifacts() if Path(path).is_file()]


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[f"version_{package}"] = version(package)
        except PackageNotFoundError:
            found[f"version_{package}"] = "absent"
    return found


def _git_commit() -> str:
    if shutil.which("git") is None:
        return "none"
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "none"
