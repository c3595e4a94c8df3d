import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from stylecinegan import Warping
from stylecinegan.cli import command_line  # noqa: F401 (it registers ${project:NAME})
from stylecinegan.cli.declared_types import check_declared_types
from stylecinegan.data.pictures import read_names

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted(
    str(path.relative_to(ROOT / "configs/experiment").with_suffix(""))
    for path in (ROOT / "configs/experiment").rglob("*.yaml")
)


def load(name, *overrides):
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        cfg = compose(name, overrides=list(overrides))
    check_declared_types(cfg)
    return cfg


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
def test_rows_can_be_removed_on_the_command_line(table):
    cfg = load("evaluate", f'table="{table}"')
    references = cfg.table.get("references", {})
    assert {*cfg.table.row_names, *references, *references.values()} <= set(cfg.table.methods)
    for key in cfg.table.methods:
        shorter = load("evaluate", f'table="{table}"', f"~table.methods.{key}")
        assert set(shorter.table.methods) == set(cfg.table.methods) - {key}


def test_the_configurations_of_the_other_commands_compose():
    check_targets(load("benchmark", "suite=splat"))
    check_targets(load("prepare_data", "task=motion", "source=a", "output=b"))
    OmegaConf.to_container(load("annotate", "photos=a", "folder=b"), resolve=True)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_compose_and_their_arguments_bind(experiment):
    cfg = load("train", f"experiment={experiment}", "data.dir=photos")
    check_targets(cfg)
    OmegaConf.to_container(cfg, resolve=True)
    assert not OmegaConf.missing_keys(cfg)


def test_the_paper_s_recipes_have_the_paper_s_settings():
    def task(experiment):
        return OmegaConf.to_container(load("train", f"experiment={experiment}").task, resolve=True)

    paper = task("paper/generator")["generator"]
    assert (paper["resolution"], paper["style_dim"], paper["channel_max"]) == (1024, 512, 512)
    assert task("paper/mask")["context"] == "none"
    assert task("mask")["context"] == "semantic"
    motion = task("paper/motion")
    assert motion["generator"]["in_channels"] + 2 == motion["discriminator"]["in_channels"] == 5
    assert task("paper/encoder")["perceptual"]["_target_"].endswith("LPIPSDistance")
    assert "perceptual" not in task("encoder")


def test_a_perceptual_term_can_be_added():
    cfg = load("train", "experiment=encoder", "+perceptual@task.perceptual=squeezenet")
    check_targets(cfg)
    assert cfg.task.perceptual.features.path.endswith("squeezenet1_0_features.npz")


def test_the_choices_of_warping_are_the_default_and_the_paper_s():
    warping = instantiate(load("generate", "warping=paper").warping)
    assert warping == Warping.of_the_paper()
    clean = instantiate(load("generate", "warping=paper_clean").warping)
    assert clean == Warping.of_the_paper(use_planar_splatting=True, use_replicated_borders=True)
    assert instantiate(load("generate").warping) == Warping()


def test_shipped_files_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for experiment in EXPERIMENTS:
        cfg = load("train", f"experiment={experiment}")
        for key in ("held_out", "motion_held_out"):
            if cfg.data.get(key):
                assert len(read_names(cfg.data[key])) > 10
    assert Path(load("train", "experiment=appearance").task.initial, "motion.safetensors").is_file()
    assert len(read_names(load("evaluate", 'table="5"').table.photos.listed)) > 10
    assert Path(load("benchmark", "suite=splat").generate.photo).is_file()


def test_every_command_uses_hydra_without_changing_the_folder_or_the_log():
    for root in (path.stem for path in (ROOT / "configs").glob("*.yaml")):
        text = (ROOT / f"configs/{root}.yaml").read_text()
        assert "  - hydra/in_place\n" in text, root
        assert "job_logging" not in text, root


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_start_with_a_comment(experiment):
    lines = (ROOT / f"configs/experiment/{experiment}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")


def test_only_the_commands_use_hydra():
    commands = ROOT / "stylecinegan/cli"
    for path in (ROOT / "stylecinegan").rglob("*.py"):
        if path.is_relative_to(commands):
            continue
        text = path.read_text()
        assert "omegaconf" not in text, path
        assert "import hydra" not in text, path
