"""MLflow tracking that records what a run needs to be repeated, and never joins another run."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import strftime
from typing import Any

from ignite.engine import Engine, Events
from monai.handlers import MLFlowHandler

from .configuration import bundle_configuration
from .sigterm import default_sigterm, exit_on_sigterm
from .weights_digest import weights_digest

__all__ = ["RunRecorder", "unique_run_name"]

_PACKAGES = ("monai_memvit", "monai", "torch", "numpy", "pytorch-ignite", "mlflow", "faiss-cpu")


def unique_run_name(prefix: str = "run") -> str:
    """A name that no other run has.

    Args:
        prefix: what the run is about.

    Returns:
        prefix, time and six random digits.
    """
    return f"{prefix}_{strftime('%Y%m%d_%H%M%S')}_{uuid.uuid4().hex[:6]}"


class RunRecorder(MLFlowHandler):
    """MONAI's ``MLFlowHandler`` with parameters, versions and configuration at a run's start, results at its end.

    Every start makes a run of its own, whatever its name; only a resumed training continues the newest run of its name
    and job. A parameter that has changed since then keeps its first value, the new one is a tag ``resumed_<name>``; the
    configuration of the n-th continuation is ``configuration_resumed_<n>.json``. A run that ends by
    an error is marked FAILED, by Ctrl-C or SIGTERM KILLED. ``MLFLOW_TRACKING_URI`` overrides ``tracking_uri``.

    Args:
        run_name: see :func:`unique_run_name`.
        parameters: logged as they are: seed, data fingerprint, ...
        checkpoint: the file of weights that the run uses; its digest is logged too, the one of ``b2sum -l 256``.
        artifacts: files or folders logged at the end; those that do not exist are passed over.
        validator: an evaluator that runs in between; its metrics go into the same run.
        resume: continue the newest run of this name and job, where there is one.
        job: what the run does, a tag: ``"train"``, ``"evaluate"``, ...
        omit: entries of the bundle's configuration that are not logged: those that may name a patient or hold a secret.
        **kwargs: those of ``MLFlowHandler``.

    Raises:
        ValueError: when ``run_name`` is empty.
    """

    cur_run: Any

    def __init__(
        self,
        run_name: str,
        parameters: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        artifacts: list[str] | None = None,
        validator: Engine | None = None,
        resume: bool = False,
        job: str = "run",
        omit: Collection[str] = ("tracking_uri",),
        **kwargs: Any,
    ) -> None:
        if not run_name:
            raise ValueError("run_name must not be empty: MONAI would write into any unfinished run.")
        parameters = {**_versions(), "git_commit": _git_commit(), **(parameters or {})}
        super().__init__(
            run_name=run_name, experiment_param=parameters, artifacts=artifacts, close_on_complete=True, **kwargs
        )
        self.checkpoint = checkpoint
        self.validator = validator
        self.resume = resume
        self.job = job
        self.configuration = bundle_configuration(omit)

    def attach(self, engine: Engine) -> None:
        """Register with a trainer, after the handlers that add metrics and before ``StatsHandler``.

        MONAI's ``StatsHandler`` raises an error anew, and handlers attached after it never hear of it.

        Args:
            engine: the trainer.
        """
        engine.add_event_handler(Events.COMPLETED, self._log_final_metrics)
        super().attach(engine)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._break_off)
        if self.validator is not None:
            self.validator.add_event_handler(Events.EPOCH_COMPLETED, self._log_validation)

    def start(self, engine: Engine) -> None:
        """Make the run, or find the one to continue, and log what is known at the start.

        Args:
            engine: the trainer.
        """
        self._set_experiment()
        self.cur_run = self._run_to_continue() or self.client.create_run(
            self.experiment.experiment_id, run_name=self.run_name, tags={"job": self.job}
        )
        exit_on_sigterm()
        if self.configuration:
            self._log_configuration()
        if self.checkpoint is not None:
            self._log_params({"checkpoint": self.checkpoint, "weights_fingerprint": weights_digest(self.checkpoint)})
        super().start(engine)

    def log_file(self, path: str) -> None:
        """Log a file while the run goes on; before its start and after its end nothing is logged.

        Args:
            path: the file.
        """
        if self.cur_run is not None:
            self.client.log_artifact(self.cur_run.info.run_id, path)

    def close(self) -> None:
        """Mark the run as finished."""
        super().close()
        default_sigterm()

    def _run_to_continue(self) -> Any:
        if not self.resume:
            return None
        found = self.client.search_runs(
            self.experiment.experiment_id,
            f"attributes.run_name = {self.run_name!r} AND tags.job = {self.job!r}",
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
        for run in found:
            self.client.update_run(run.info.run_id, status="RUNNING")
        return next(iter(found), None)

    def _log_configuration(self) -> None:
        run_id = self.cur_run.info.run_id
        earlier = [a.path for a in self.client.list_artifacts(run_id) if a.path.startswith("configuration")]
        name = f"configuration_resumed_{len(earlier)}.json" if earlier else "configuration.json"
        self.client.log_dict(run_id, self.configuration, name)

    def _log_params(self, params: dict[str, Any]) -> None:
        known = self.client.get_run(self.cur_run.info.run_id).data.params
        super()._log_params({name: value for name, value in params.items() if name not in known})
        for name, value in params.items():
            if known.get(name, str(value)) != str(value):
                self.client.set_tag(self.cur_run.info.run_id, f"resumed_{name}", value)

    def _log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Classes may be named as no metric of MLflow can be: ``nodule (> 3 mm)``."""
        super()._log_metrics({re.sub(r"[^/\w. -]", "_", name): value for name, value in metrics.items()}, step)

    def _log_validation(self, engine: Engine) -> None:
        if self.cur_run is not None:
            self._log_metrics(engine.state.metrics, step=engine.state.epoch)

    def _log_final_metrics(self, engine: Engine) -> None:
        self._log_metrics(engine.state.metrics, step=engine.state.epoch)

    def _break_off(self, engine: Engine, error: BaseException) -> None:
        if self.cur_run is not None:
            status = "KILLED" if isinstance(error, (KeyboardInterrupt, SystemExit)) else "FAILED"
            self.client.set_terminated(self.cur_run.info.run_id, status)
            self.cur_run = None
            default_sigterm()
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
    """The commit of this package's clone; none where it was installed, even if into a folder of somebody's clone."""
    if shutil.which("git") is None:
        return "none"
    words = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD", f"HEAD:./{Path(__file__).name}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.split()[0] if done.returncode == 0 else "none"
