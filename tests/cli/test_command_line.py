import logging

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from stylecinegan.cli import command_line
from stylecinegan.resources import CONFIGS_DIR

ARGUMENTS = ["photo=a lake (1).jpg", "num_frames=12", "inversion.steps=3", "warping=paper"]


@pytest.fixture(autouse=True)
def log():
    """The root logger, which commands configure."""
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    yield root
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def run(monkeypatch, arguments, **options):
    """Runs a command; returns its settings and how Hydra runs it, if it does."""
    found = []

    @hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="generate")
    def main(cfg: DictConfig) -> None:
        mode = HydraConfig.get().mode if HydraConfig.initialized() else None
        found.append((cfg, mode))

    monkeypatch.setattr("sys.argv", ["generate", *arguments])
    command_line.run(main, "generate", **options)
    (result,) = found
    return result


def test_commands_without_hydra_have_the_same_settings_and_log(monkeypatch, log):
    results = []
    for needs_hydra in (True, False):
        log.handlers.clear()
        cfg, mode = run(monkeypatch, ARGUMENTS, needs_hydra=needs_hydra)
        assert mode == (RunMode.RUN if needs_hydra else None)
        formats = [handler.formatter._fmt for handler in log.handlers]
        results.append((cfg, OmegaConf.is_struct(cfg), log.level, formats))
    assert results[0] == results[1]
    assert results[0][0].photo == "a lake (1).jpg"
    assert results[0][3]


@pytest.mark.parametrize(
    ("more", "mode", "level"),
    [
        ("-m", RunMode.MULTIRUN, logging.INFO),
        ("hydra.verbose=true", RunMode.RUN, logging.DEBUG),
    ],
)
def test_arguments_for_hydra_are_passed_to_it(monkeypatch, tmp_path, more, mode, level):
    monkeypatch.chdir(tmp_path)
    _, used = run(monkeypatch, [more, *ARGUMENTS], needs_hydra=False)
    assert (used, logging.getLogger().level) == (mode, level)


def test_settings_composed_ahead_are_used_once(monkeypatch):
    command_line.compose_ahead("generate", ARGUMENTS)
    with monkeypatch.context() as context:
        context.setattr(command_line, "compose", lambda *_, **__: pytest.fail("composed again"))
        cfg, _ = run(context, ARGUMENTS, needs_hydra=False)
    assert cfg.num_frames == 12
    assert run(monkeypatch, ARGUMENTS, needs_hydra=False)[0] is not cfg
