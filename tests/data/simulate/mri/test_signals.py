"""The signal equations against closed forms and against Bloch's equations played out step by step."""

from __future__ import annotations

import math

import pytest

from monai_memvit.data.simulate.mri.signals import (
    PROTOCOL,
    AsymmetryMap,
    InversionRecovery,
    SpinEcho,
    SpoiledGradientEcho,
    enhanced,
)
from monai_memvit.data.simulate.mri.tissues import TISSUES, Tissue

TISSUE = Tissue("x", t1=900.0, t2=80.0, t2_star=50.0, pd=0.8, apt=2.5, gadolinium=0.4)


def test_spoiled_gradient_echo_is_what_many_pulses_end_in() -> None:
    along = TISSUE.pd
    for _ in range(2000):
        across, along = along * math.sin(math.radians(25.0)), along * math.cos(math.radians(25.0))
        along = TISSUE.pd + (along - TISSUE.pd) * math.exp(-20.0 / TISSUE.t1)
    expected = across * math.exp(-5.0 / TISSUE.t2_star)
    assert SpoiledGradientEcho(20.0, 5.0, 25.0).signal(TISSUE) == pytest.approx(expected, rel=1e-9)


def test_spin_echo_after_a_long_wait_is_density_times_decay() -> None:
    assert SpinEcho(1e6, 80.0).signal(TISSUE) == pytest.approx(0.8 / math.e)
    assert SpinEcho(900.0, 0.0).signal(TISSUE) == pytest.approx(0.8 * (1 - 1 / math.e))


def test_inversion_recovery_is_what_repeated_inversions_end_in() -> None:
    along = TISSUE.pd
    for _ in range(50):
        along = TISSUE.pd + (-along - TISSUE.pd) * math.exp(-500.0 / TISSUE.t1)
        across = along
        along = TISSUE.pd * (1 - math.exp(-2500.0 / TISSUE.t1))  # the refocused excitation leaves nothing along
    formula = InversionRecovery(3000.0, 0.0, 500.0).signal(TISSUE)
    assert formula == pytest.approx(across, rel=1e-9)
    assert formula < 0.0 < InversionRecovery(3000.0, 0.0, 650.0).signal(TISSUE)


def test_flair_nulls_fluid() -> None:
    fluid, white = (PROTOCOL["flair"].signal(TISSUES[name]) for name in ("cerebrospinal fluid", "white matter"))
    assert abs(fluid) < 0.02 * white


def test_contrast_agent_adds_to_the_rates() -> None:
    seen = enhanced(TISSUE)
    assert 1e3 / seen.t1 == pytest.approx(1e3 / 900.0 + 5.0 * 0.4)
    assert 1e3 / seen.t2 == pytest.approx(1e3 / 80.0 + 7.1 * 0.4)
    plain, with_agent = SpoiledGradientEcho(18.0, 4.0, 20.0), SpoiledGradientEcho(18.0, 4.0, 20.0, contrast_agent=True)
    assert with_agent.signal(TISSUE) == pytest.approx(plain.signal(seen))
    assert with_agent.signal(TISSUE) > 1.3 * plain.signal(TISSUE)


def test_asymmetry_is_mapped_in_percent() -> None:
    assert AsymmetryMap(3000.0, 7.0).signal(TISSUE) == 2.5


def test_the_protocol_has_the_five_sequences_in_order() -> None:
    from monai_memvit.data.mri import SEQUENCES

    assert tuple(PROTOCOL) == SEQUENCES
