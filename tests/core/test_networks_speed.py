"""The networks' comparison of speeds: everybody computes the same numbers, and a short run draws its table."""

import json
from pathlib import Path

import pytest
import torch

from core import networks_speed
from core.errors import UserError
from core.networks.cell import Cell
from core.networks_speed import LOOP, OURS, Options, cells, encoder, of_median, steps
from core.noise import Noise

SMALL = Options(batch=5, time=12, inputs=3, width=8)


def test_all_contenders_compute_the_same() -> None:
    for what, works in {**cells(SMALL), **encoder(SMALL), **steps(SMALL)}.items():
        first, *others = (work.output() for work in works.values())
        assert first.abs().max() > 0.01, what
        for y in others:
            torch.testing.assert_close(
                y, first, rtol=0, atol=1e-5, msg=lambda text, what=what: f"{what}: {text}"
            )


def test_with_resets_is_another_work_than_without() -> None:
    every = cells(Options(batch=20, time=30, inputs=3, width=8))
    name = next(name for name in every if name.startswith("peephole, resets"))
    assert [*every[name]] == [LOOP, OURS]
    work = every[name][OURS]
    assert isinstance(work.net, Cell)
    x = Noise((0,), "x").normal(20, 30, 3)[0]  # the same as theirs
    changed = (work.output() - work.net.unroll(x)[0]).abs().amax(-1) > 1e-6
    assert 0.03 < changed.float().mean() < 0.9  # behind the resets alone
    assert not changed.all(1).any()


def test_a_pass_goes_back_or_not() -> None:
    works = {name: group[OURS] for name, group in steps(SMALL).items()}
    for name, work in works.items():
        assert work(2) == 2
        found = [weight.grad is not None for weight in work.net.parameters()]
        if name.endswith("back"):
            assert all(found), name
    forwards = next(work for name, work in steps(SMALL).items() if name.endswith("forwards"))
    assert forwards[OURS](1) == 1
    assert all(weight.grad is None for weight in forwards[OURS].net.parameters())


def test_the_median_s_interval_by_hand() -> None:
    # of 15: 2 · (1 + 15 + 105 + 455) / 2¹⁵ = .035, with 1365 more .119: the 4th least and greatest
    assert of_median(list(range(1, 16))) == (4, 12)
    # of 7: 2 / 2⁷ = .016, with 7 more .125: the least and greatest; of 5: 2 / 2⁵ = .06, nothing better
    assert of_median([3, 1, 2, 7, 6, 5, 4]) == (1, 7)
    assert of_median([2, 1, 5]) == (1, 5)


def test_the_command_keeps_and_draws_its_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench speed-networks -->\n<!-- end -->\n")
    flags = ["--rounds", "1", "--passes", "1", "--batch", "2", "--time", "8", "--width", "8"]
    assert networks_speed.main(["speed-networks", *flags, "--root", str(tmp_path), "--out", str(page)]) == 0
    kept = json.loads((tmp_path / "bench" / "speed-networks.json").read_text())
    assert kept["time"] == 8
    assert {"lstm", "gru", "rnn", "peephole", "encoder layer"} <= {*kept["contenders"]}
    assert "| gru | torch's nn.GRU |" in page.read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rounds", "0"], "--rounds is 0; it must be at least 1"),
        (["--width", "6"], "--width 6 does not divide into the encoder layer's 4 heads"),
        (["--out", "no-such-page.md"], "no-such-page.md has no part from <!-- bench speed-networks -->"),
        (["--only", "grue"], "--only grue: nothing compared begins so"),
    ],
)
def test_bad_options_are_named(flags: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        networks_speed.main(["speed-networks", *flags])
