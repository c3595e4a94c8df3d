"""The files around the package agree with each other and with it."""

import os
import re
import tomllib
from pathlib import Path

import yaml

import stylecinegan

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_the_ci_workflow_runs_make_test_by_the_script_that_developers_run():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    commands = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
    assert ".ci/run" in commands
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("make test")


def test_hooks_call_tools_of_the_development_extra_and_of_the_makefile():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    modules = {re.search(r"-m (\w+)", hook["entry"])[1] for hook in hooks}  # pyright: ignore
    installed = {re.split(r"[<>=~]", requirement)[0] for requirement in EXTRAS["dev"]}
    assert {module.removesuffix("_lib") for module in modules} <= installed
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"-m {module}" in makefile for module in modules)


def test_the_changelog_begins_with_the_version_of_the_package():
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == stylecinegan.__version__


def test_the_docker_image_installs_existing_extras_and_copies_the_folders_of_the_wheel():
    text = (ROOT / "Dockerfile").read_text()
    wanted = re.findall(r"/src\[([\w,]+)\]", text)
    assert wanted
    assert set(wanted[0].split(",")) <= set(EXTRAS)
    copied = (ROOT / ".dockerignore").read_text().split()
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    for pattern in build["targets"]["wheel"]["include"]:
        folder = pattern.strip("/").split("/*")[0]
        assert any(line.startswith(f"!{folder}") for line in copied), pattern
