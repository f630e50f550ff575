"""The contract, held against every trainer there is: a new file in generative/trainers is found by itself."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, get_args, get_type_hints

import pytest
import torch

from core import trees
from core.catalogue import algorithms
from core.errors import UserError
from generative.build import batches_of, module_of, serving, trainer_of
from generative.data import Data, held_still, load
from generative.files import Dataset, Images, Pairs, Text
from generative.trainer import Answerer, LikelihoodTrainer, Metrics, Trainer, evaluation_noise

TRAINERS = [name for name, found in algorithms().items() if found.suite == "generative"]
DATA = {"images": "digits", "points": "ring", "text": "sentences", "pairs": "addition"}
PATHS = ("loop", "vmap")
# Where a trainer has such settings.
SMALL = {
    "layers": 1,
    "hidden": (8, 8),
    "latent": 3,
    "batch": 12,
    "batch_size": 6,
    "critic_steps": 2,
    "width": 4,
}
CPU = torch.device("cpu")
HELD_OUT = {
    "digits": 40,
    "ring": 40,
    "sentences": 400,
    "addition": 40,
}  # examples, or characters, to evaluate on


@cache
def dataset(name: str) -> Dataset:
    return load(Data(data=name))


def nets(name: str) -> list[str]:
    """The kinds of network that it offers; "" where that is no setting of it."""
    options = get_args(get_type_hints(module_of(name).Config).get("net"))
    return [option for option in options if option != "auto"] or [""]


def build(name: str, data: str, net: str = "", path: str = "loop", seeds: tuple[int, ...] = (0,)) -> Trainer:
    config = module_of(name).Config()
    small = {key: value for key, value in SMALL.items() if hasattr(config, key)}
    config = replace(config, **small, **({"net": net} if net else {}))
    facts = {"device": "cpu", "path": path, "compile": False}
    return trainer_of(name, config, dataset(data), seeds, 50, facts)


def served() -> Iterator[Any]:
    """Every trainer on all data, with every net and on every path that it says it can serve."""
    for name in TRAINERS:
        found = []
        for data, net, path in ((d, n, p) for d in DATA.values() for n in nets(name) for p in PATHS):
            try:
                build(name, data, net, path)
            except UserError:
                continue
            found.append((data, net, path))
        kinds = [kind for kind in DATA if name in serving(kind)]
        assert kinds, f"{name} serves nothing"
        for kind in kinds:
            alone = [data for data, _, path in found if path == "loop" or kind == "points"]
            assert DATA[kind] in alone, f"{name} serves no {kind}"
        for case in found:
            yield pytest.param(name, *case, id="-".join(filter(None, (name, *case))))


EVERY = pytest.mark.parametrize(("name", "data", "net", "path"), list(served()))


class Life:
    """A trainer at work, step by step."""

    def __init__(self, name: str, data: str, net: str, path: str, seeds: tuple[int, ...]) -> None:
        self.trainer, self.seeds = build(name, data, net, path, seeds), seeds
        self.batches = batches_of(self.trainer, dataset(data), seeds, "cpu")
        self.test = held_still(dataset(data).test, self.trainer.binarise)[: HELD_OUT[data]]
        self.metrics: list[Metrics] = []

    def run(self, steps: int) -> "Life":
        self.metrics += [self.trainer.step(self.batches.next()) for _ in range(steps)]
        return self

    def look(self) -> dict[str, torch.Tensor]:
        """All that can be asked of it."""
        noise = [evaluation_noise(self.seeds, purpose, CPU) for purpose in ("figures", "pictures", "samples")]
        found = {
            **self.trainer.evaluate(self.test, noise[0]),
            **self.trainer.pictures(self.test[:5], noise[1]),
        }
        if isinstance(self.trainer, Answerer):
            source = self.test[:7, : self.trainer.spec.source]  # type: ignore[attr-defined]
            return {**found, "answer": self.trainer.answer(source.expand(len(self.seeds), 7, -1))}
        return {**found, "sample": self.trainer.sample(7, noise[2])}


def same(one: Any, two: Any) -> bool:
    """Equal trees, to the bit."""
    left, right = trees.leaves(one), trees.leaves(two)
    alike = (torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(left, right, strict=True))
    return len(left) == len(right) and all(alike)


def of_seed(metrics: Metrics, k: int) -> Metrics:
    return {name: value[k : k + 1] for name, value in metrics.items()}


@EVERY
def test_a_seed_learns_the_same_alone_and_in_company(name: str, data: str, net: str, path: str) -> None:
    together = Life(name, data, net, path, (3, 9)).run(4)
    alone = Life(name, data, net, path, (9,)).run(4)
    assert same(together.trainer.state_dict()[1], alone.trainer.state_dict()[0])
    assert same([of_seed(metrics, 1) for metrics in together.metrics], alone.metrics)
    assert same(of_seed(together.look(), 1), alone.look())
    weights = list(together.trainer.weights().values())
    assert any(not torch.equal(weight[0], weight[1]) for weight in weights)


@EVERY
def test_saved_and_loaded_it_goes_on_to_the_bit(name: str, data: str, net: str, path: str) -> None:
    life, other = Life(name, data, net, path, (1, 2)).run(3), Life(name, data, net, path, (1, 2)).run(1)
    for part in ("trainer", "batches"):
        getattr(other, part).load_state_dict(getattr(life, part).state_dict())
    assert same(life.look(), other.look())
    assert same(life.run(3).metrics[-3:], other.run(3).metrics[-3:])
    assert same(life.trainer.state_dict(), other.trainer.state_dict())


@EVERY
def test_looking_changes_nothing_and_sees_the_same_twice(name: str, data: str, net: str, path: str) -> None:
    life = Life(name, data, net, path, (1, 2)).run(2)
    before, chance = trees.map(lambda leaf: leaf, life.trainer.state_dict()), torch.get_rng_state()
    buffers = [leaf.clone() if torch.is_tensor(leaf) else leaf for leaf in trees.leaves(before)]
    seen = life.look()
    assert same(buffers, life.trainer.state_dict())
    assert torch.equal(chance, torch.get_rng_state())
    assert same(seen, life.look())
    unseen = Life(name, data, net, path, (1, 2)).run(2)
    assert same(life.run(2).trainer.state_dict(), unseen.run(2).trainer.state_dict())


@EVERY
def test_samples_are_what_the_data_are(name: str, data: str, net: str, path: str) -> None:
    life = Life(name, data, net, path, (0, 4)).run(2)
    kind = dataset(data)
    shape = kind.train.shape[1:]
    seen = life.look()
    if isinstance(kind, Pairs):
        assert seen["answer"].shape == (2, 7, shape[0] - kind.source)
        assert len(kind.characters) + 3 > seen["answer"].max() >= seen["answer"].min() >= 0
        with pytest.raises(UserError, match="give it one with --prompt"):
            life.trainer.sample(7, evaluation_noise((0, 4), "other", CPU))
        return
    if isinstance(kind, Text):
        texts = seen["sample"]
        assert (texts.shape[:2], texts.dtype) == ((2, 7), torch.int64)
        assert texts.min() >= 0
        assert texts.max() < len(kind.characters)
        assert not torch.equal(texts[0], texts[1])
        return
    assert seen["sample"].shape == (2, 7, *shape)
    assert not torch.equal(seen["sample"][0], seen["sample"][1])
    for key, found in seen.items():
        assert found.dtype == torch.float32, key
        assert found.isfinite().all(), key
        assert not found.requires_grad, key
        if not key.startswith("eval/"):
            assert found.shape[:1] + found.shape[2:] == (2, *shape) or isinstance(kind, Images), key
            assert not isinstance(kind, Images) or (found.min() >= 0 and found.max() <= 1), key
    noise = evaluation_noise((0, 4), "other", CPU)
    assert not torch.equal(life.trainer.sample(7, noise), seen["sample"])


@EVERY
def test_what_it_says_has_names_of_the_vocabulary(name: str, data: str, net: str, path: str) -> None:
    life = Life(name, data, net, path, (0, 4)).run(2)
    noise = evaluation_noise((0, 4), "figures", CPU)
    told, scores = life.metrics[-1], life.trainer.evaluate(life.test, noise)
    for metrics, family in ((told, "train/"), (scores, "eval/")):
        assert metrics, family
        for key, value in metrics.items():
            assert key.startswith(family)
            assert (value.shape, value.requires_grad) == ((2,), False), key
    assert life.trainer.shown == "" or life.trainer.shown in told
    assert life.trainer.selected == "" or life.trainer.selected in scores
    weights, gradients = life.trainer.weights(), life.trainer.gradients()
    assert {key: value.shape for key, value in weights.items()} == {k: v.shape for k, v in gradients.items()}
    assert all(value.shape[0] == 2 for value in weights.values())
    assert any(value.abs().sum() > 0 for value in gradients.values())


@pytest.mark.parametrize("name", serving("images"))
def test_it_says_how_many_held_out_images_it_reads(name: str) -> None:
    trainer = build(name, "digits")
    images = held_still(dataset("digits").test, "none").repeat(8, 1, 1, 1)
    images[trainer.judged :] = images[trainer.judged :].flip(-1)  # those it says it does not read are others

    def scores(count: int) -> Metrics:
        return trainer.evaluate(images[:count], evaluation_noise((0,), "figures", CPU))

    limit = trainer.judged or 1_500
    same = all(torch.equal(value, scores(limit)[key]) for key, value in scores(len(images)).items())
    assert same is bool(trainer.judged)
    assert not torch.equal(*(next(iter(scores(count).values())) for count in (limit - 1, limit)))


@EVERY
def test_every_weight_learns(name: str, data: str, net: str, path: str) -> None:
    fresh = {key: value.clone() for key, value in Life(name, data, net, path, (0,)).trainer.weights().items()}
    life = Life(name, data, net, path, (0,)).run(3)
    still = {key for key, value in life.trainer.weights().items() if torch.equal(value, fresh[key])}
    # A Wasserstein critic's last bias cancels out of its loss: it may stand still, being one number.
    assert [key for key in still if fresh[key][0].numel() > 1] == []


@pytest.mark.parametrize("name", TRAINERS)
def test_data_it_cannot_serve_are_refused_in_a_line(name: str) -> None:
    takers = {
        "points": ".*gan and wgan-gp take them",
        "text": "lm takes them",
        "pairs": "translate takes them",
        "images": "ae.* take them",
    }
    for kind, data in DATA.items():
        if name in serving(kind):
            assert build(name, data).batch > 0
            continue
        with pytest.raises(UserError, match=f"^{name} models .* and {data} is {kind}; {takers[kind]}$"):
            build(name, data)


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.parametrize("setting", ["latent", "batch", "batch_size", "lr"])
def test_a_setting_that_makes_no_sense_is_refused_in_a_line(name: str, setting: str) -> None:
    config = module_of(name).Config()
    if hasattr(config, setting):
        with pytest.raises(UserError) as caught:
            replace(config, **{setting: -1})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", TRAINERS)
def test_a_likelihood_is_of_every_draw_and_image(name: str) -> None:
    if name in serving("images") and isinstance(
        trainer := build(name, "digits", seeds=(0, 4)), LikelihoodTrainer
    ):
        images = held_still(dataset("digits").test, trainer.binarise)[:5].expand(2, 5, 1, 8, 8)
        found = trainer.log_weights(images, 3, evaluation_noise((0, 4), "likelihood", CPU))
        assert found.shape == (2, 3, 5)
        assert found.isfinite().all()
