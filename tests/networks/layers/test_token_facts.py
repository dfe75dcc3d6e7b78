"""The fact of a sample: class token, mean, attention snapshot."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.networks.layers import attention_fact, class_token_fact, mean_token_fact

FACTS = (class_token_fact, mean_token_fact, attention_fact)


@pytest.fixture
def tokens():
    torch.manual_seed(0)
    return [torch.randn(3, 2, 5, 4) for _ in range(3)]


@pytest.fixture
def mask():
    return torch.tensor([[True] * 5, [True, True, True, False, False], [True] + [False] * 4])


def test_class_token_fact_is_row_zero(tokens):
    for fact, source in zip(class_token_fact(*tokens), tokens):
        assert torch.equal(fact, source[:, :, 0])


@pytest.mark.parametrize("masked", [False, True])
def test_mean_token_fact_equals_a_loop(tokens, mask, masked):
    found = mean_token_fact(*tokens, mask if masked else None)
    for fact, source in zip(found, tokens):
        for b in range(3):
            valid = mask[b] if masked else torch.ones(5, dtype=torch.bool)
            torch.testing.assert_close(fact[b], source[b, :, valid].mean(1))


def test_mean_token_fact_without_any_valid_token_is_zero(tokens):
    found = mean_token_fact(*tokens, torch.zeros(3, 5, dtype=torch.bool))
    assert all(torch.equal(fact, torch.zeros(3, 2, 4)) for fact in found)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_fact_equals_a_numpy_loop(tokens, mask, masked):
    query, key, value = attention_fact(*tokens, mask if masked else None)
    q, k, v = (t.double().numpy() for t in tokens)
    assert torch.equal(query, tokens[0][:, :, 0])
    for b, h in np.ndindex(3, 2):
        valid = mask[b].numpy() if masked else np.ones(5, dtype=bool)
        weights = np.exp(k[b, h, valid] @ q[b, h, 0] / 2)
        weights /= weights.sum()
        np.testing.assert_allclose(key[b, h], weights @ k[b, h, valid], atol=1e-6)
        np.testing.assert_allclose(value[b, h], weights @ v[b, h, valid], atol=1e-6)


@pytest.mark.parametrize("fact", (mean_token_fact, class_token_fact))
def test_contents_of_padding_never_matter(fact, tokens, mask):
    poisoned = [torch.where(mask[:, None, :, None], t, torch.nan) for t in tokens]
    for clean, found in zip(fact(*tokens, mask), fact(*poisoned, mask)):
        assert torch.equal(clean, found)


@pytest.mark.parametrize("fact", FACTS)
def test_facts_are_one_vector_per_head(fact, tokens):
    assert [t.shape for t in fact(*tokens)] == [(3, 2, 4)] * 3
