"""What tissues of the head are made of, as an MR scanner at 3 tesla sees it: published relaxation times."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["TISSUES", "Tissue", "vary_tissues"]


@dataclass(frozen=True)
class Tissue:
    """Parameters of one tissue at 3 T.

    Args:
        name: of the tissue.
        t1: longitudinal relaxation time in ms.
        t2: transverse relaxation time in ms.
        t2_star: effective transverse relaxation time in ms.
        pd: proton density, relative to water.
        apt: asymmetry of the magnetisation transfer ratio at 3.5 ppm, in percent.
        gadolinium: concentration of the contrast agent after injection, in mmol/l.
    """

    name: str
    t1: float
    t2: float
    t2_star: float
    pd: float
    apt: float
    gadolinium: float = 0.0


# Relaxation times. White and grey matter: T1 Wansapura 1999 (JMRI 9:531: 832 and 1331 ms), T2 Stanisz 2005 (MRM
# 54:507: 69 and 99 ms), T2* Peters 2007 (MRI 25:748: 53 and 66 ms). Basal ganglia: T1 of the putamen, Wright 2008
# (MAGMA 21:121: 1332 ms); T2 and T2* are set shorter than those of cortex, for the iron. Cerebrospinal fluid: T1 as
# Lu 2005 (JMRI 22:13) plans inversion times by at 3 T; T2 about 2 s, Spijkerman 2018 (MAGMA 31:415). Muscle: Stanisz
# 2005 (1412 and 50 ms). Fat and marrow: Gold 2004 (AJR 183:343: 371 and 365 ms; 133 ms). Proton densities: BrainWeb
# (Collins 1998, IEEE TMI 17:463: fluid 1, grey 0.86, white 0.77). The parts of a tumour, and gliosis, are set within
# what relaxometry of gliomas at 3 T reports (Badve 2017, AJNR 38:492; Blystad 2020, Sci Rep 10:10545); the uptake of
# contrast agent is that of a well enhancing tumour: T1 falls by about 1.2 s, where maps before and after it differ by
# 0.84 +- 0.21 s on average (Noeth 2020, NMR Biomed 33:e4242). Asymmetry: 4.1 % in grade IV and 2.1 % in grade II
# gliomas (Togao 2014, Neuro Oncol 16:441), little in normal tissue and oedema (Zhou 2003, Nat Med 9:1085; Wen 2010,
# NeuroImage 51:616), and negative in fat, whose protons resonate on the other side of water. What no source is named
# for here is a plausible setting, not a measurement.
TISSUES: dict[str, Tissue] = {
    tissue.name: tissue
    for tissue in (
        Tissue("white matter", 832.0, 69.0, 53.0, 0.77, apt=0.3, gadolinium=0.005),
        Tissue("grey matter", 1331.0, 99.0, 66.0, 0.86, apt=0.8, gadolinium=0.015),
        Tissue("deep grey matter", 1332.0, 75.0, 40.0, 0.84, apt=0.7, gadolinium=0.015),
        Tissue("cerebrospinal fluid", 4163.0, 1900.0, 1000.0, 1.0, apt=0.1),
        Tissue("gliosis", 1400.0, 150.0, 90.0, 0.85, apt=0.5, gadolinium=0.01),
        Tissue("necrosis", 2600.0, 350.0, 150.0, 0.95, apt=2.2, gadolinium=0.02),
        Tissue("oedema", 1500.0, 160.0, 95.0, 0.88, apt=1.2, gadolinium=0.01),
        Tissue("enhancing tumour", 1700.0, 120.0, 80.0, 0.88, apt=3.8, gadolinium=0.3),
        Tissue("bone", 400.0, 5.0, 1.0, 0.12, apt=0.0),
        Tissue("marrow", 365.0, 100.0, 15.0, 0.5, apt=-1.5),
        Tissue("fat", 371.0, 133.0, 40.0, 0.9, apt=-3.0),
        Tissue("muscle", 1412.0, 50.0, 30.0, 0.85, apt=0.6, gadolinium=0.06),
    )
}
_SPREAD = 0.03


def vary_tissues(rng: np.random.Generator) -> dict[str, Tissue]:
    """Draw one patient's tissues: relaxation times a few percent off the published means, uptake of contrast more so.

    Args:
        rng: source of chance.

    Returns:
        Tissues by name, in the order of :data:`TISSUES`.
    """
    varied = {}
    for name, tissue in TISSUES.items():
        t1, t2, density = np.exp(rng.normal(0.0, _SPREAD, 3))
        varied[name] = replace(
            tissue,
            t1=tissue.t1 * t1,
            t2=tissue.t2 * t2,
            t2_star=tissue.t2_star * t2,
            pd=tissue.pd * density,
            apt=tissue.apt * rng.uniform(0.85, 1.15),
            gadolinium=tissue.gadolinium * rng.uniform(0.6, 1.4),
        )
    return varied
