"""Tissue parameters are ordered as at 3 T, and patients vary about them."""

from __future__ import annotations

import numpy as np

from monai_memvit.data.simulate.mri.tissues import TISSUES, vary_tissues


def test_relaxation_times_are_ordered_as_in_every_textbook() -> None:
    white, grey, fluid = (TISSUES[name] for name in ("white matter", "grey matter", "cerebrospinal fluid"))
    assert white.t1 < grey.t1 < fluid.t1
    assert white.t2 < grey.t2 < fluid.t2
    assert white.pd < grey.pd < fluid.pd
    assert all(tissue.t2_star <= tissue.t2 < tissue.t1 for tissue in TISSUES.values())
    assert max(TISSUES.values(), key=lambda tissue: tissue.apt).name == "enhancing tumour"
    assert max(TISSUES.values(), key=lambda tissue: tissue.gadolinium).name == "enhancing tumour"


def test_patients_vary_by_a_few_percent_about_the_published_means() -> None:
    drawn = [vary_tissues(np.random.default_rng(i))["grey matter"].t1 for i in range(400)]
    assert np.isclose(np.mean(drawn), 1331.0, rtol=0.01)
    assert np.isclose(np.std(np.log(drawn)), 0.03, rtol=0.15)
    assert list(vary_tissues(np.random.default_rng(0))) == list(TISSUES)
