import re
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from stylecinegan.cli.help_page import help_page, read_choices, read_sections
from stylecinegan.cli.main import COMMANDS
from stylecinegan.resources import CONFIGS_DIR
from tests.processes import run, run_code

PAGES = [name for name in COMMANDS if (CONFIGS_DIR / f"{name}.yaml").exists()]


def keys_of(node, prefix=""):
    """Keys of all values that are not sections, in order."""
    found = []
    for key in node:
        value = node._get_node(key)
        if key in ("hydra", "defaults", "_target_"):
            continue
        if isinstance(value, DictConfig) and len(value):
            found += keys_of(value, f"{prefix}{key}.")
        else:
            found.append(prefix + key)
    return found


def node_of(cfg, key):
    for part in key.split("."):
        cfg = cfg._get_node(part)
    return cfg


def settings_of(name):
    sections = read_sections(CONFIGS_DIR / f"{name}.yaml")
    return [setting for section in sections for setting in section.settings]


def entries_of(page):
    """Descriptions of a page's settings, without line breaks."""
    found = re.findall(r"^  (\S+)(.*(?:\n {22}.*)*)$", page, re.MULTILINE)
    return {key: " ".join(text.split()) for key, text in found}


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_all_settings_and_their_defaults(name):
    cfg = OmegaConf.load(CONFIGS_DIR / f"{name}.yaml")
    listed = {setting.key: setting.default for setting in settings_of(name)}
    keys = keys_of(cfg)
    assert set(keys) <= set(listed)
    entries = entries_of(help_page(name))
    for key in keys:
        assert key in entries
        if listed[key] not in (None, "null", "[]"):
            assert f"[default {listed[key]}" in entries[key]
        if listed[key] is not None:
            assert OmegaConf.create(f"x: {listed[key]}")._get_node("x") == node_of(cfg, key)


def test_the_page_of_generate_explains_all_settings_in_terms_of_users():
    assert all(len(setting.meaning) > 8 for setting in settings_of("generate"))
    page = help_page("generate")
    for word in ("experiment", "landscapes", "Hydra", "_target_", "???"):
        assert word not in page
    assert "[default 120; e.g. num_frames=240]" in page
    assert max(map(len, page.splitlines())) <= 100


def test_a_chosen_table_adds_its_settings():
    page = help_page("evaluate", ["table=mask"])
    assert "table.labelled.dir" in page
    assert "table.labelled.dir" not in help_page("evaluate")


def test_help_loads_neither_torch_nor_hydra():
    program = (
        "import sys; from stylecinegan.cli.main import run; run('generate'); "
        "print({'torch', 'hydra'} & set(sys.modules))"
    )
    done = run_code(program, "photo=x.jpg", "-h")
    assert "the still image" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


def test_scripts_show_the_same_page_with_their_own_name(monkeypatch):
    script = Path(__file__).parents[2] / "scripts/generate.py"
    done = run(sys.executable, script, "--help", COLUMNS="96")
    assert done.stdout.startswith(f"usage: python {script} key=value ...")
    monkeypatch.setenv("COLUMNS", "96")
    assert done.stdout.splitlines()[1:] == help_page("generate").splitlines()[1:]


def test_a_sentence_does_not_end_at_an_abbreviation():
    choices = read_choices("experiment")
    assert "(Sec. 3.1)" in choices["encoder"]
    assert choices["paper/emf"].startswith("EMF (Holynski et al. 2021), a row")
