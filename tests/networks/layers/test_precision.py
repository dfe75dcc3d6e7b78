"""Who computes in which precision."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.networks.layers import operand_dtype, wide

DTYPES = [(torch.float16, torch.float32), (torch.bfloat16, torch.float32)]
DTYPES += [(torch.float32, torch.float32), (torch.float64, torch.float64)]


@pytest.mark.parametrize(("dtype", "expected"), DTYPES)
def test_at_least_float32_and_no_needless_copy(dtype, expected):
    x = torch.ones(2, dtype=dtype)
    assert wide(x).dtype == expected and (wide(x) is x) == (dtype == expected)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("dtype", "expected"), DTYPES)
def test_a_cpu_multiplies_in_float32_at_least(dtype, expected, autocast):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        assert operand_dtype(torch.ones(2, dtype=dtype)) == expected
