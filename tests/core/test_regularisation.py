"""Penalties on weights and outputs by hand, and which weights are kernels."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from core import regularisation
from core.layout import Layout
from core.networks.bert import Bert, Pretraining
from core.networks.embedding import Embedding
from core.networks.language import LanguageModel, Translator
from core.networks.mlp import MLP
from core.networks.recurrent import CELLS
from core.networks.seq2seq import Seq2Seq
from core.networks.transformer import Form
from core.networks.vision import build
from core.optimisers import SGD, Adam
from core.replicas import Replicas

TINY = Form(width=8, heads=2, hidden=16, layers=1)


def test_penalties_and_their_gradients_by_hand() -> None:
    params = {"w": torch.tensor([[3.0, -4.0], [0.0, 1.0]]), "b": torch.tensor([5.0])}
    leaf = params["w"].requires_grad_(True)
    assert regularisation.penalty(params, ["w"], 1, 0).item() == 8
    assert regularisation.penalty(params, ["w"], 0, 1).item() == 26
    assert regularisation.penalty(params, ["w", "b"], 0.5, 0.1).item() == pytest.approx(0.5 * 13 + 0.1 * 51)
    (slope,) = torch.autograd.grad(regularisation.penalty(params, ["w"], 0.5, 0), leaf)
    assert slope.tolist() == [[0.5, -0.5], [0.0, 0.5]]  # λ sign θ
    (slope,) = torch.autograd.grad(regularisation.penalty(params, ["w"], 0, 0.5), leaf)
    assert slope.tolist() == [[3.0, -4.0], [0.0, 1.0]]  # 2λθ
    assert regularisation.penalty(params, [], 1, 1).item() == 0


def test_activity_is_of_each_example() -> None:
    outputs = torch.tensor([[1.0, -2.0], [3.0, 0.0]])
    assert regularisation.activity(outputs, 1, 0).item() == 3  # (3 + 3) / 2
    assert regularisation.activity(outputs, 0, 1).item() == 7  # (5 + 9) / 2


def test_l0_counts_and_has_no_gradient() -> None:
    weight = torch.tensor([0.0, 2.0, -1e-3]).requires_grad_(True)
    count = regularisation.l0({"w": weight}, ["w"])
    assert count.item() == 2
    assert not count.requires_grad
    assert regularisation.l0({"w": weight}, ["w"], above=0.01).item() == 1


def test_kernels_are_matrices_and_filters_and_a_shared_one_is_named_once() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Embedding(5, 2), nn.LayerNorm(2), nn.Linear(2, 5), nn.Linear(2, 5)
    )  # fmt: skip
    network[5].weight = network[4].weight
    assert regularisation.kernels(network) == ("0.weight", "4.weight")
    assert regularisation.kernels(nn.LSTM(2, 3)) == ("weight_ih_l0", "weight_hh_l0")
    tables = nn.Sequential(nn.Embedding(3, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    assert regularisation.kernels(tables) == ("2.weight",)
    assert regularisation.matrices(tables) == ("0.weight", "2.weight")


@pytest.mark.parametrize("name", list(CELLS))
def test_no_cells_bias_or_peephole_is_a_kernel(name: str) -> None:
    network = CELLS[name](3, 4)
    spared = {n for n, _ in network.named_parameters()} - set(regularisation.kernels(network))
    assert len(regularisation.kernels(network)) >= 2
    assert {n for n, _ in network.named_parameters() if "bias" in n} <= spared
    assert all(p.numel() <= 16 for n, p in network.named_parameters() if n in spared)


WHOLE: dict[str, Callable[[], nn.Module]] = {
    "gpt": lambda: LanguageModel(11, TINY, 9),
    "translator": lambda: Translator(11, 7, TINY),
    "bert": lambda: Pretraining(Bert(11, TINY, 9)),
    "seq2seq": lambda: Seq2Seq(7, 5, 6, 4, "peephole", "bahdanau"),
    "resnet20": lambda: build("resnet20", 1, 3, 28),
    "alexnet-2012": lambda: build("alexnet-2012", 1, 3, 28),
    "googlenet-aux": lambda: build("googlenet-aux", 1, 3, 28),
    "densenet-bc-100": lambda: build("densenet-bc-100", 1, 3, 28),
}


@pytest.mark.parametrize("name", WHOLE)
def test_of_a_whole_network_every_matrix_but_tables_is_a_kernel_and_nothing_else(name: str) -> None:
    with torch.device("meta"):
        network = WHOLE[name]()
    found, named = regularisation.kernels(network), dict(network.named_parameters())
    assert len({*found}) == len(found) == len({id(named[k]) for k in found})  # a shared one once
    assert not [k for k in found if "bias" in k or "norm" in k or "peephole" in k]
    tables = {
        id(weight)
        for part in network.modules()
        if isinstance(part, nn.Embedding | Embedding)
        for weight in part.parameters()
    }
    expected = {k for k, weight in named.items() if weight.dim() > 1 and id(weight) not in tables}
    assert {*found} - expected <= {k for k in found if id(named[k]) in tables}
    assert expected <= {*found}


def no_loss(net: Replicas) -> None:
    def loss(params: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return 0 * net.apply(params, x).sum(), {}

    net.step(loss, torch.ones(len(net.seeds), 2, 3), lr=0.1)


@pytest.mark.parametrize("path", ["loop", "vmap"])
@pytest.mark.parametrize("optimiser", [Adam(), SGD()])
def test_decay_takes_from_kernels_alone(path: str, optimiser: Adam | SGD) -> None:
    net = Replicas(
        lambda: MLP((3, 4, 2), layer_norm=True), [0, 1], optimiser=optimiser, path=path, decay=0.5  # type: ignore[arg-type]
    )  # fmt: skip
    with torch.no_grad():
        net.matrix.fill_(1.0)
    no_loss(net)
    for name, weight in net.weights().items():
        left = 0.95 if name in ("layers.0.weight", "layers.1.weight") else 1.0  # 1 − lr · decay
        torch.testing.assert_close(weight, torch.full_like(weight, left), msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["loop", "vmap"])
def test_decay_is_the_same_compiled(path: str) -> None:
    net = Replicas(lambda: MLP((3, 4, 2)), [0, 1], path=path, decay=0.5, compiled=True)  # type: ignore[arg-type]
    with torch.no_grad():
        net.matrix.fill_(1.0)
    no_loss(net)
    assert sorted({round(w.mean().item(), 6) for w in net.weights().values()}) == [0.95, 1.0]


def test_decay_equals_torchs_with_two_groups() -> None:
    net = Replicas(lambda: nn.Linear(4, 2), [7], optimiser=Adam(), decay=0.1)
    copy = nn.Linear(4, 2)
    with torch.no_grad():
        for parameter, mine in zip(copy.parameters(), net.weights().values(), strict=True):
            parameter.copy_(mine[0])
    groups = [
        {"params": [copy.weight], "weight_decay": 0.1},
        {"params": [copy.bias], "weight_decay": 0.0},
    ]
    theirs = torch.optim.AdamW(groups, lr=0.01)

    def loss(params: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return (net.apply(params, x) ** 2).sum(), {}

    for _ in range(5):
        x = torch.randn(1, 5, 4)
        net.step(loss, x, lr=0.01)
        theirs.zero_grad()
        (copy(x[0]) ** 2).sum().backward()
        theirs.step()
    for parameter, mine in zip(copy.parameters(), net.weights().values(), strict=True):
        torch.testing.assert_close(mine[0], parameter.detach(), rtol=1e-5, atol=1e-6)


def test_a_mask_is_one_where_the_named_weights_are() -> None:
    layout = Layout(nn.Linear(3, 2))
    mask = layout.mask(["weight"])
    assert mask.shape == (layout.width,)
    assert layout.views(mask)["weight"].tolist() == [[1] * 3] * 2
    assert mask.sum() == 6
