from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest
from omegaconf import OmegaConf

from stylecinegan.cli.declared_types import check_declared_types
from stylecinegan.errors import InputError
from tests.processes import run_script


def target(
    number: int = 1,
    share: float | None = None,
    exact: bool = False,
    file: str | Path = "a",
    kind: Literal["sky", "water"] = "sky",
    parts: Sequence[Literal["frame", "static"]] = (),
    methods: Mapping[str, int] | None = None,
    other=None,
):
    """The signature that settings are checked against."""


def settings(**values):
    return OmegaConf.create({"table": {"_target_": f"{__name__}.target", **values}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"number": "many"}, "table.number must be a whole number, got many"),
        ({"number": 1.5}, "table.number must be a whole number, got 1.5"),
        ({"number": True}, "table.number must be a whole number, got True"),
        ({"number": None}, "table.number must be a whole number, got null"),
        ({"share": "half"}, "table.share must be a number or null, got half"),
        ({"exact": 1}, "table.exact must be true or false, got 1"),
        ({"file": False}, "table.file must be text or a path, got False"),
        ({"kind": "snow"}, "table.kind must be one of sky, water, got snow"),
        ({"parts": "frame"}, "each one of frame, static, got frame"),
        ({"parts": ["frame", "sky"]}, "each one of frame, static, got"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_key(values, message):
    with pytest.raises(InputError) as refused:
        check_declared_types(settings(**values))
    assert message in str(refused.value)


def test_values_of_declared_and_of_unknown_types_are_accepted():
    check_declared_types(
        settings(
            number=2,
            share=1,
            exact=True,
            file=5,
            kind="water",
            parts=["static"],
            methods={"a": "b"},
            other="c",
            unknown="d",
        )
    )
    check_declared_types(settings(share=None, number="???"))
    check_declared_types(OmegaConf.create({"a": "many", "table": settings(number="${a}").table}))


def test_nodes_inside_lists_and_nodes_are_checked():
    inner = settings(number="many").table
    with pytest.raises(InputError, match=r"data.more.1.inner.number must be a whole number"):
        check_declared_types(OmegaConf.create({"data": {"more": [1, {"inner": inner}]}}))


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        (["train.py", "experiment=generator", "data.dir=none"], "task.generator.resolution"),
        (["evaluate.py", "table=figure6"], "table.num_samples"),
    ],
    ids=["train", "evaluate"],
)
def test_commands_refuse_such_values_in_one_line(command, setting, tmp_path):
    result = run_script(*command, f"{setting}=many", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"error: {setting} must be a whole number, got many\n"
