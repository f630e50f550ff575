"""The reader of `.wandb` files, held against wandb's own reader on files the real wandb wrote."""

import math
from pathlib import Path
from typing import Any

import pytest

from core.errors import UserError
from core.importing.foreign import Record, Segment, flat, head, read
from core.run_folder import strict
from tests.core import wandb_files as w

RICH = """
    run = init(
        project="mine", id="rich0001", name="a name", group="a group", job_type="train", tags=["x", "y"],
        notes="two\\nlines", config={"lr": 1e-3, "seed": 3, "nest": {"a": 1, "b": {"c": [1, 2, 3]}}, "none": None},
    )
    print("hello", flush=True)
    print("10 %\\r100 %\\x1b[31m red\\x1b[0m", flush=True)
    for i in range(5):
        run.log({
            "loss": 1 / (i + 1), "val": {"acc": i / 4, "deep": {"x": i}}, "a/b.c": 2**40 + i, "flag": i > 2,
            "nan": math.nan, "up": math.inf, "down": -math.inf, "text": "<script>\\u2028ä", "none": None,
        })
    run.log({
        "hist": wandb.Histogram([1, 2, 3, 4]), "list": [1, [2, math.nan]],
        "picture": wandb.Image(np.zeros((4, 4, 3), np.uint8)),
        "pictures": [wandb.Image(np.full((4, 4, 3), i, np.uint8)) for i in (0, 9)],
        "table": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]]),
    })
    run.log({"late": 1}, step=50)
    run.log({"later": 1}, step=50)
    run.config.update({"late": 5, "nest": {"a": 2}}, allow_val_change=True)
    run.config["more"] = {"q": 1}
    run.summary["best"] = 4.5
    run.summary["loss"] = 0.125
    run.summary["nested"] = {"k": 1}
    run.define_metric("val/*", step_metric="epoch")
    run.tags = (*run.tags, "z")
    run.finish(exit_code=3)
"""
BIG = """
    run = init(project="mine", id="big00001")
    for i in range(400):
        run.log({"i": i, "text": "ä" * (i * 50), "numbers": list(range(i))})
    run.log({"text": "b" * 300_000})
    run.finish()
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("real")
    w.real(home / "rich", RICH, console="wrap")
    w.real(home / "big", BIG)
    return {name: next((home / name).glob("wandb/offline-*/*.wandb")) for name in ("rich", "big")}


def of(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in records if record["type"] == kind]


@pytest.mark.parametrize("name", ["rich", "big"])
def test_history_is_what_wandbs_own_reader_says(files: dict[str, Path], name: str) -> None:
    theirs = [record["item"] for record in of(w.inspected(files[name]), "history")]
    ours = read(files[name])
    assert len(theirs) > 6
    assert [strict(row) for row in ours.rows] == theirs
    assert ours.damage.words() == ""


def test_summary_is_what_wandbs_own_reader_says(files: dict[str, Path]) -> None:
    merged: dict[str, Any] = {}
    for record in of(w.inspected(files["rich"]), "summary"):
        merged |= record["update"]
    theirs = {name: value for name, value in flat(merged).items() if not name.startswith("_")}
    ours = read(files["rich"]).summary
    assert strict(ours) == theirs
    assert (ours["best"], ours["loss"], ours["nested.k"], ours["later"]) == (4.5, 0.125, 1, 1)


def test_what_is_said_of_the_run(files: dict[str, Path]) -> None:
    segment = read(files["rich"])
    theirs = of(w.inspected(files["rich"]), "run")[-1]
    assert (segment.id, segment.project, segment.name) == ("rich0001", "mine", "a name")
    assert (segment.group, segment.job_type, segment.notes) == ("a group", "train", "two\nlines")
    assert list(segment.tags) == theirs["tags"] == ["x", "y", "z"]
    assert segment.key == "/mine/rich0001"
    del segment.config["_wandb"]
    assert segment.config == {
        "lr": 0.001,
        "seed": 3,
        "nest": {"a": 2},
        "none": None,
        "late": 5,
        "more": {"q": 1},
    }
    assert segment.exit_code == 3
    assert segment.axes == {"val/*": "epoch"}
    assert segment.console == ["hello", "100 % red"]
    assert segment.versions.keys() == {"python", "wandb"}
    assert not segment.resume
    assert segment.started < segment.ended < segment.started + 60


def test_the_head_says_which_run_it_is(files: dict[str, Path]) -> None:
    segment = head(files["big"])
    assert (segment.key, segment.rows) == ("/mine/big00001", [])


def small(tmp_path: Path) -> Path:
    many = [w.row(i, time=i, loss=1 / (i + 1), text="x") for i in range(6)]
    return w.write(tmp_path, [w.run(config={"lr": 1}), *many, w.leave()])


def test_cut_anywhere_it_gives_its_first_rows_and_nothing_else(tmp_path: Path) -> None:
    path = small(tmp_path)
    raw, whole = path.read_bytes(), read(path)
    assert len(whole.rows) == 6
    counts = set()
    for cut in range(len(raw)):
        path.write_bytes(raw[:cut])
        try:
            found = read(path)
        except UserError:
            counts.add(-1)
            continue
        assert found.rows == whole.rows[: len(found.rows)]
        assert (found.id, found.config, found.exit_code) == (whole.id, whole.config, None)
        counts.add(len(found.rows))
    assert counts == {-1, 0, 1, 2, 3, 4, 5, 6}


def test_changed_anywhere_it_gives_fewer_rows_and_nothing_else(tmp_path: Path) -> None:
    path = small(tmp_path)
    raw, whole = path.read_bytes(), read(path)
    for at in range(7, len(raw)):
        broken = bytearray(raw)
        broken[at] ^= 0xFF
        path.write_bytes(bytes(broken))
        try:
            found = read(path)
        except UserError:
            continue
        assert all(row in whole.rows for row in found.rows)
        assert found.damage.words() != ""


def test_records_that_are_sound_but_make_no_sense_do_no_harm(tmp_path: Path) -> None:
    odd = Record()
    odd.history.item.add(nested_key=["deep"], value_json="[" * 100_000)
    odd.history.item.add(nested_key=["two"], value_json="1,2")
    odd.history.item.add(nested_key=["none"])
    odd.history.item.add(value_json="7")
    odd.history.item.add(key="good", value_json="7")
    odd.history.step.num = 4
    path = w.write(tmp_path, [w.run(), b"\xff\xff\xff", odd, w.row(5, loss=1)])
    segment = read(path)
    assert segment.rows == [{"good": 7, "_step": 4}, {"_step": 5, "loss": 1}]
    assert segment.damage.places == 1


def test_values_that_are_not_json_texts_are_read_too(tmp_path: Path) -> None:
    typed = Record()
    for name, kind, value in [
        ("a", "integer", 3),
        ("b", "number", math.inf),
        ("c", "boolean", True),
        ("d", "text", "x"),
    ]:
        setattr(typed.history.item.add(nested_key=["n", name]), kind, value)
    typed.history.item.add(nested_key=["_step"], integer=1)
    assert read(w.write(tmp_path, [w.run(), typed])).rows == [
        {"n.a": 3, "n.b": math.inf, "n.c": True, "n.d": "x", "_step": 1}
    ]


def test_a_summary_set_by_hand_counts_until_a_later_row(tmp_path: Path) -> None:
    def told(**values: Any) -> Any:
        record = Record()
        for name, value in values.items():
            record.summary.update.add(key=name, value_json=str(value))
        return record

    rows = [told(a=9, b=9), w.row(0, a=1), told(a=2, c=5), w.row(1, b=3)]
    assert read(w.write(tmp_path, [w.run(), *rows])).summary == {"a": 2, "b": 3, "c": 5}
    more = [
        told(a=7, z=4, _timestamp=1),
        w.row(0, a=1),
        w.row(1, time=1.0, a=2),
    ]  # not what the row says again
    assert read(w.write(tmp_path / "3", [w.run(), *more])).summary == {"a": 2, "z": 4}
    removed = Record()
    removed.summary.remove.add(key="c")
    assert read(w.write(tmp_path / "2", [w.run(), *rows, removed])).summary == {"a": 2, "b": 3}


def test_old_files_say_objects_in_one_piece(tmp_path: Path) -> None:
    old = w.row(0)
    old.history.item.add(key="h", value_json='{"_type": "histogram", "values": [1]}')
    assert read(w.write(tmp_path, [w.run(), old])).rows == [
        {"_step": 0, "h._type": "histogram", "h.values": [1]}
    ]


def test_a_file_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not say which run it is of; no run record"):
        read(w.write(tmp_path, [w.row(0, a=1)]))
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "nothing.wandb")


def test_a_segment_begins_empty() -> None:
    assert Segment(Path("x")).console == []
    assert Segment(Path("x")).ended == 0.0
