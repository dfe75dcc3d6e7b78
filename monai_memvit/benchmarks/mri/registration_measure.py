"""What ``benchmark registration`` measures: errors against known poses, gains on real volumes, and times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray

from ...data.simulate.mri import MriSimulation, SimulatedPatient, simulate_patient
from ...transforms.mri import CoRegister, CoRegisterd, RegistrationOptions
from ..tools.timing import Stopwatch, interleave

__all__ = ["measure_cases", "measure_times", "measure_volumes", "summary"]

_REFERENCE = "t1gd"
_POINTS = 2000
UNNOTICED_ABOVE_MM = 3.0


def measure_cases(
    patients: int,
    size: str,
    rotation_deg: float,
    shift_mm: float,
    seed: int,
    options: RegistrationOptions,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Register simulated patients and compare with their truth.

    Args:
        patients: how many.
        size: of their grids, small, clinical or full.
        rotation_deg: largest rotation between sequences.
        shift_mm: largest shift.
        seed: of the cohort.
        options: of the registration.
        progress: told after each patient how many are done, and of how many.

    Returns:
        the settings, ``summary`` by sequence and of ``all``, and every ``registration``.
    """
    simulation = MriSimulation(size=size, max_rotation_deg=rotation_deg, max_shift_mm=shift_mm)
    transform = CoRegister(options, on_failure="flag")
    rows: list[dict[str, Any]] = []
    for index in range(patients):
        patient = simulate_patient(index, seed, simulation)
        rows += _registrations(patient, transform)
        progress(index + 1, patients)
    names = list(dict.fromkeys(row["sequence"] for row in rows))
    by_name = {name: [row for row in rows if row["sequence"] == name] for name in names}
    return {
        "patients": patients,
        "size": size,
        "rotation_deg": rotation_deg,
        "shift_mm": shift_mm,
        "seed": seed,
        "unnoticed_above_mm": UNNOTICED_ABOVE_MM,
        "summary": {name: summary(some) for name, some in {**by_name, "all": rows}.items()},
        "registrations": rows,
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put many registrations together.

    Args:
        rows: with ``start_mm``, ``median_mm``, ``worst_mm``, ``succeeded`` and ``processor_seconds``.

    Returns:
        ``median_mm``, ``p95_mm`` and ``max_mm`` of the registrations' median errors, flagged ones left out;
        ``worst_point_mm``; counts of ``flagged`` ones, and of ``unnoticed`` ones, with a point off by more than 3 mm.
    """
    kept = [row for row in rows if row["succeeded"]]
    errors = np.array([row["median_mm"] for row in kept] or [0.0])
    return {
        "registrations": len(rows),
        "start_mm": float(np.median([row["start_mm"] for row in rows])),
        "median_mm": float(np.median(errors)),
        "p95_mm": float(np.percentile(errors, 95)),
        "max_mm": float(errors.max()),
        "worst_point_mm": max((row["worst_mm"] for row in kept), default=0.0),
        "flagged": len(rows) - len(kept),
        "unnoticed": sum(row["worst_mm"] > UNNOTICED_ABOVE_MM for row in kept),
        "processor_seconds": statistics.fmean(row["processor_seconds"] for row in rows),
    }


def _registrations(patient: SimulatedPatient, transform: CoRegister) -> list[dict[str, Any]]:
    volumes = _tensors(patient)
    reference = volumes.pop(_REFERENCE)
    points = _points(patient.brain, reference.affine.numpy())
    rows = []
    for name, volume in volumes.items():
        start = time.process_time()
        found = transform(volume, reference, name).meta["registration"]
        seconds = time.process_time() - start
        error = np.linalg.norm((points @ (np.array(found["matrix"]) - patient.truth[name]).T)[:, :3], axis=1)
        before = np.linalg.norm((points @ (np.eye(4) - patient.truth[name]).T)[:, :3], axis=1)
        rows.append(
            {
                "patient": patient.index,
                "sequence": name,
                "start_mm": float(np.median(before)),
                "median_mm": float(np.median(error)),
                "worst_mm": float(error.max()),
                "processor_seconds": seconds,
                **{key: value for key, value in found.items() if key != "matrix"},
            }
        )
    return rows


def _tensors(patient: SimulatedPatient) -> dict[str, MetaTensor]:
    return {
        name: MetaTensor(torch.from_numpy(voxels)[None], affine=torch.from_numpy(affine))
        for name, (voxels, affine) in patient.volumes.items()
    }


def _points(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4) homogeneous RAS mm of some voxels of a mask, evenly."""
    voxels = np.argwhere(mask)
    voxels = voxels[:: max(1, len(voxels) // _POINTS)]
    return np.c_[voxels, np.ones(len(voxels))] @ affine.T


def measure_volumes(folder: Path, options: RegistrationOptions) -> dict[str, dict[str, Any]]:
    """Register real volumes of one patient.

    Args:
        folder: with ``<sequence>.nii`` or ``<sequence>.nii.gz`` of ``t1gd`` and others; masks are passed over.
        options: of the registration.

    Returns:
        by sequence: its ``meta["registration"]`` without the matrix, ``shift_mm`` of the head's middle,
        ``rotation_deg`` and ``seconds``.

    Raises:
        ValueError: when there is no t1gd.
    """
    from monai.transforms import LoadImage

    from ...data.mri.studies import SEQUENCES

    load = LoadImage(image_only=True, ensure_channel_first=True, dtype=np.float32)
    files = {path.name.partition(".")[0]: path for path in sorted(folder.glob("*.nii*"))}
    volumes = {name: load(files[name]) for name in SEQUENCES if name in files}
    if _REFERENCE not in volumes:
        raise ValueError(f"{folder} holds no {_REFERENCE}.nii or {_REFERENCE}.nii.gz: name the reference so.")
    reference = volumes.pop(_REFERENCE)
    transform = CoRegister(options, on_failure="flag")
    middle = np.asarray(reference.affine) @ [*((np.array(reference.shape[1:]) - 1) / 2), 1.0]
    found = {}
    for name, volume in volumes.items():
        start = time.perf_counter()
        record = transform(volume, reference, name).meta["registration"]
        seconds = time.perf_counter() - start
        matrix = np.array(record.pop("matrix"))
        left, _, right = np.linalg.svd(matrix[:3, :3])
        cosine = (np.trace(left @ right) - 1) / 2
        found[name] = {
            **record,
            "shift_mm": float(np.linalg.norm((matrix @ middle - middle)[:3])),
            "rotation_deg": float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
            "seconds": seconds,
        }
    return found


def measure_times(threads: int, repeats: int, options: RegistrationOptions) -> dict[str, dict[str, float]]:
    """Time a whole case of five 240x240x155 volumes, four of them moved.

    Args:
        threads: of the arms with several.
        repeats: runs of each arm.
        options: of the registration.

    Returns:
        seconds by arm: one thread; sequences side by side in threads; one sequence at a time, in several threads.
    """
    import SimpleITK

    volumes = _tensors(simulate_patient(0, 0, MriSimulation(size="full")))
    # what averages and resamples takes all cores by itself: the first arm shall not
    usual = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()

    def arm(workers: int, inner: int, everything: int) -> Callable[[], object]:
        transform = CoRegisterd(
            list(volumes), _REFERENCE, replace(options, threads=inner), on_failure="flag", workers=workers
        )

        def work() -> object:
            SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(everything)
            return transform(volumes)

        return work

    arms = {"1 thread": arm(1, 1, 1)}
    if threads > 1:
        arms[f"{threads} sequences at a time"] = arm(threads, 1, threads)
        arms[f"1 sequence at a time, {threads} threads"] = arm(1, threads, threads)
    try:
        times = interleave(arms, repeats, Stopwatch(torch.device("cpu")), warmup=0)
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(usual)
    return {
        name: {
            "median_seconds": statistics.median(seconds),
            "lowest_seconds": min(seconds),
            "highest_seconds": max(seconds),
        }
        for name, seconds in times.items()
    }
