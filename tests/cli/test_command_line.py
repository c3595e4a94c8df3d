import logging

import hydra
import pytest
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
    """Runs a command and returns its settings."""
    found = []

    @hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="generate")
    def main(cfg: DictConfig) -> None:
        found.append(cfg)

    monkeypatch.setattr("sys.argv", ["generate", *arguments])
    command_line.run(main, "generate", **options)
    (cfg,) = found
    return cfg


def test_commands_without_hydra_have_the_same_settings_and_log(monkeypatch, log):
    results = []
    for needs_hydra in (True, False):
        log.handlers.clear()
        cfg = run(monkeypatch, ARGUMENTS, needs_hydra=needs_hydra)
        formats = [handler.formatter._fmt for handler in log.handlers]
        results.append((cfg, OmegaConf.is_struct(cfg), log.level, formats))
    assert results[0] == results[1]
    assert results[0][0].photo == "a lake (1).jpg"
    assert results[0][3]


@pytest.mark.parametrize("more", ["-m", "hydra.verbose=true"])
def test_arguments_for_hydra_are_passed_to_it(monkeypatch, more, tmp_path):
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, [more, *ARGUMENTS], needs_hydra=False)
    expected = logging.DEBUG if more == "hydra.verbose=true" else logging.INFO
    assert logging.getLogger().level == expected


def test_settings_composed_ahead_are_used_once(monkeypatch):
    command_line.compose_ahead("generate", ARGUMENTS)
    with monkeypatch.context() as context:
        context.setattr(command_line, "compose", lambda *_, **__: pytest.fail("composed again"))
        cfg = run(context, ARGUMENTS, needs_hydra=False)
    assert cfg.num_frames == 12
    assert run(monkeypatch, ARGUMENTS, needs_hydra=False) is not cfg
