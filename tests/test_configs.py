import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "configs/experiment").glob("*.yaml"))


def load(name, *overrides):
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return compose(name, overrides=list(overrides))


def check_targets(node):
    """Every ``_target_`` exists and takes exactly the arguments beside it."""
    if isinstance(node, DictConfig):
        values = {key: node._get_node(key) for key in node}
        if "_target_" in node:
            target = get_object(node["_target_"])
            arguments = {k: v for k, v in values.items() if not str(k).startswith("_")}
            inspect.signature(target).bind(**arguments)
        for value in values.values():
            check_targets(value)
    elif isinstance(node, ListConfig):
        for index in range(len(node)):
            check_targets(node._get_node(index))


def test_generate_composes_with_every_model():
    for path in (ROOT / "configs/model").glob("*.yaml"):
        cfg = load("generate", f"model={path.stem}", "photo=a.jpg")
        OmegaConf.set_struct(cfg, False)
        cfg.model.precision = "fp32"  # the script adds it
        check_targets(cfg)


@pytest.mark.parametrize("table", sorted(p.stem for p in (ROOT / "configs/table").glob("*.yaml")))
def test_every_table_composes(table):
    cfg = load("evaluate", f'table="{table}"')
    OmegaConf.set_struct(cfg, False)
    cfg.model.precision = "fp32"  # the script adds it
    assert cfg.table.pop("_partial_")  # it is called with the model and a folder
    target = get_object(cfg.table.pop("_target_"))
    inspect.signature(target).bind("model", "folder", **cfg.table)
    check_targets(cfg)


@pytest.mark.parametrize("table", ["1", "4", "figure6"])
def test_every_row_can_be_left_out_on_the_command_line(table):
    cfg = load("evaluate", f'table="{table}"')
    assert set(cfg.table.row_names) <= set(cfg.table.methods)
    for key in cfg.table.methods:
        shorter = load("evaluate", f'table="{table}"', f"~table.methods.{key}")
        assert set(shorter.table.methods) == set(cfg.table.methods) - {key}


def test_the_other_scripts_configurations_compose():
    check_targets(load("benchmark", "suite=splat"))
    check_targets(load("prepare_data", "task=motion", "source=a", "output=b"))
    OmegaConf.to_container(load("annotate", "photos=a", "folder=b"), resolve=True)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_binds(experiment):
    cfg = load("train", f"experiment={experiment}", "data.dir=photos")
    check_targets(cfg)
    OmegaConf.to_container(cfg, resolve=True)
    assert not OmegaConf.missing_keys(cfg)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_says_first_what_it_makes(experiment):
    lines = (ROOT / f"configs/experiment/{experiment}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")


def test_nothing_below_the_commands_knows_a_configuration():
    commands = ROOT / "stylecinegan/cli"
    for path in (ROOT / "stylecinegan").rglob("*.py"):
        if path.is_relative_to(commands):
            continue
        text = path.read_text()
        assert "omegaconf" not in text, path
        assert "import hydra" not in text, path
