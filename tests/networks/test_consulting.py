"""A classifier beside its memory of cases."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets import DenseNet121, ViT

from monai_memvit.memory import CaseMemory
from monai_memvit.networks.consulting import ConsultingNetwork, last_linear, load_case_memory
from monai_memvit.networks.nets import MemViT

NAMES = ["a", "b", "c"]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return MemViT(1, 16, 8, 3, hidden_size=12, mlp_dim=24, num_layers=2, num_heads=2).eval()


def _filled(consulting: ConsultingNetwork, images: torch.Tensor, labels: torch.Tensor) -> None:
    features, logits = consulting.describe(images)
    consulting.memory.extend(torch.arange(len(images)), features, logits, labels)


def test_the_features_are_what_the_head_takes(network):
    images = torch.randn(4, 1, 16, 16)
    features, logits = ConsultingNetwork(network, class_names=NAMES).describe(images)
    assert features.shape == (4, 12)
    torch.testing.assert_close(network.head(features), logits)
    assert torch.equal(logits, network(images))


def test_an_empty_memory_changes_no_bit(network):
    images = torch.randn(4, 1, 16, 16)
    assert torch.equal(ConsultingNetwork(network, class_names=NAMES)(images), network(images))


def test_remembered_cases_are_told(network):
    consulting = ConsultingNetwork(network, class_names=NAMES)
    labels = torch.arange(30) % 3
    images = torch.randn(30, 1, 16, 16) + labels[:, None, None, None]
    _filled(consulting, images, labels)
    told = consulting(images + 0.01)
    assert told.shape == (30, 3) and (told.argmax(1) == labels).float().mean() > 0.8
    torch.testing.assert_close(told.exp().sum(1), torch.ones(30))


@pytest.mark.parametrize(
    ("network", "head"),
    [
        (ViT(1, 16, 8, hidden_size=12, mlp_dim=24, num_layers=1, num_heads=2, classification=True, num_classes=3,
             spatial_dims=2, post_activation=None), "classification_head"),
        (DenseNet121(2, 1, 3, init_features=8, growth_rate=4, block_config=(1, 1)), "class_layers.out"),
    ],
    ids=["ViT", "DenseNet"],
)  # fmt: skip
def test_networks_of_monai_have_features_too(network, head):
    images = torch.randn(3, 1, 32, 32) if isinstance(network, DenseNet121) else torch.randn(3, 1, 16, 16)
    consulting = ConsultingNetwork(network.eval(), class_names=NAMES)
    if isinstance(network, ViT):  # it gives its hidden states, too
        consulting.network = _First(network)
        consulting.head = f"network.{consulting.head}"
    assert consulting.head.endswith(head) or head in consulting.head
    features, logits = consulting.describe(images)
    torch.testing.assert_close(consulting.network.get_submodule(consulting.head)(features), logits)


class _First(torch.nn.Module):
    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)[0]


def test_the_last_linear_layer_is_found(network):
    assert last_linear(network) == ("head", network.head)
    with pytest.raises(ValueError, match="no linear layer"):
        last_linear(torch.nn.Conv2d(1, 2, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": "norm"}, "LayerNorm"),
        ({"memory": CaseMemory(11, NAMES)}, "11 features"),
        ({"memory": CaseMemory(12, NAMES[:2])}, "2 classes"),
    ],
)
def test_what_does_not_fit_is_refused(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        ConsultingNetwork(network, **arguments)


def test_a_layer_that_runs_per_token_is_no_head(network):
    consulting = ConsultingNetwork(network, CaseMemory(24, [str(k) for k in range(12)]), "blocks.0.mlp.linear2")
    with pytest.raises(ValueError, match="once per case"):
        consulting.describe(torch.randn(2, 1, 16, 16))


# files


def test_a_memory_comes_back_beside_its_network(network, tmp_path):
    consulting = ConsultingNetwork(network, class_names=NAMES)
    images, labels = torch.randn(12, 1, 16, 16), torch.arange(12) % 3
    _filled(consulting, images, labels)
    torch.save(consulting.memory.state_dict(), tmp_path / "case_memory.pt")
    loaded = load_case_memory(network, tmp_path / "case_memory.pt")
    assert loaded.memory.class_names == NAMES
    assert torch.equal(loaded(images), consulting(images))


def test_without_a_file_the_network_stays_alone(network, tmp_path):
    assert load_case_memory(network, tmp_path / "none.pt") is network


def test_a_damaged_file_is_named(network, tmp_path):
    path = tmp_path / "case_memory.pt"
    path.write_bytes(b"PK no memory")
    with pytest.raises(ValueError, match=r"case_memory\.pt holds no memory"):
        load_case_memory(network, path)
