import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from stylecinegan.cli.literal_keys import literal_keys
from stylecinegan.cli.quoting import quote_values
from stylecinegan.resources import CONFIGS_DIR

AWKWARD = "it's [1], (2) = ${é}.png"


def composed(command, *arguments):
    """The configuration of a command line, as a command composes it."""
    quoted = quote_values(arguments, literal_keys(command, arguments))
    with initialize_config_dir(str(CONFIGS_DIR), version_base="1.3"):
        return compose(command, overrides=quoted)


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (["generate"], "photo video mask mask_add mask_remove motion style style_features text"),
        (["generate", "model=lhq_1024"], "model.directory"),
        (["style_sheet"], "photo sheet style_features model.directory"),
        (["annotate"], "photos folder check model.directory"),
        (["prepare_data", "task=labels"], "source output teacher"),
        (["user_study"], "videos photos output_dir ours title"),
        (["benchmark", "suite=splat"], "output_dir model.directory generate.photo"),
        (["train", "experiment=mask"], "data.dir data.labels_dir data.held_out"),
        (["train", "experiment=mask"], "task.model.directory name"),
        (["train", "experiment=generator"], "data.select task.feature_weights task.initial"),
        (["train", "experiment=motion"], "data.motion_held_out data.segmenter.directory"),
        (["train", "experiment=encoder"], "task.generator.path"),
        (["train", "experiment=generator_bottom"], "task.trunk task.initial task.layout"),
        (["train", "experiment=generator_layout"], "task.trunk task.feature_weights"),
        (["train", "experiment=generator_texture"], "task.trunk task.initial task.layout"),
        (["train", "experiment=style_branch"], "task.generator task.initial task.layout"),
        (["train", "experiment=emf"], "task.perceptual.path"),
        (["evaluate", "table=5"], "table.photos.path table.photos.listed table.squeezenet"),
        (["evaluate", "table=mask"], "table.labelled.dir table.labelled.labels_dir"),
        (["evaluate", "table=mask"], "table.labelled.held_out table.drawn.path output_dir"),
        (["evaluate", "table=motion"], "table.weights table.samples.path table.clips.held_out"),
        (["evaluate", "table=1"], "table.clips.path table.scenes.masks_dir table.lpips_trunk"),
        (["evaluate", "table=2"], "table.study table.answers"),
    ],
)
def test_paths_and_prose_may_have_any_characters(command, keys):
    for key in keys.split():
        cfg = composed(*command, f"{key}={AWKWARD}")
        parent = OmegaConf.select(cfg, key.rpartition(".")[0]) if "." in key else cfg
        assert parent[key.rpartition(".")[2]] == AWKWARD, key


def test_numbers_lists_and_null_are_not_taken_literally():
    cfg = composed(
        "generate",
        *("seed=7", "size=[720,1280]", "speed=1e-1", "style_exact=true", "style_layers=[13,14]"),
        *("arrows=[[0.1,0.2,0.3,0.4]]", "photo=null", "seeds=0-3", "inversion.steps=2"),
    )
    assert (cfg.seed, list(cfg.size), cfg.speed, cfg.style_exact) == (7, [720, 1280], 0.1, True)
    assert (cfg.photo, cfg.seeds, cfg.inversion.steps) == (None, "0-3", 2)
    assert (list(cfg.style_layers), list(cfg.arrows[0])) == ([13, 14], [0.1, 0.2, 0.3, 0.4])
    assert composed("train", "experiment=generator", "batch_size=${num_workers}").batch_size == 8
    assert (
        composed("train", "experiment=mask", "data.scale_range=[1.0,2.0]").data.scale_range[1] == 2
    )


def test_existing_files_named_like_numbers_or_lists_are_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("5", "[1]"):
        (tmp_path / name).touch()
        assert composed("generate", f"photo={name}").photo == name
    assert composed("generate", "num_frames=5").num_frames == 5
    assert composed("user_study", "title=5").title == "5"


def test_numbers_of_a_sweep_are_not_taken_literally():
    arguments = ["seed=1,2", "photo=a.jpg,b.jpg", "speed=0.5,2", "num_frames=range(2,4)"]
    assert literal_keys("generate", arguments) == {"photo"}
    assert literal_keys("train", ["experiment=mask", "batch_size=1,2"]) == set()


@pytest.mark.parametrize("flag", [["--config-dir", "more"], ["--config-dir=more"], ["-cd", "more"]])
def test_experiments_in_a_folder_of_the_user_are_found(flag, tmp_path, monkeypatch):
    (tmp_path / "more/experiment").mkdir(parents=True)
    (tmp_path / "more/experiment/mine.yaml").write_text("# @package _global_\nnotes: none yet\n")
    monkeypatch.chdir(tmp_path)
    arguments = [*flag, "experiment=mine", "notes=a, b (c)", "data.dir=fotos, (1)"]
    assert literal_keys("train", arguments) == {"notes", "data.dir"}
