"""What ``make tables`` would run is a command for every table, each with settings that exist."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from stylecinegan.cli.literal_keys import literal_keys
from stylecinegan.cli.quoting import quote_values
from stylecinegan.resources import CONFIGS_DIR

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")


def commands(*variables):
    """Arguments of the project's commands, by the command's name."""
    printed = subprocess.run(
        ["make", "--dry-run", "tables", *variables],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")
    words = [shlex.split(line) for line in printed.splitlines() if "-m stylecinegan" in line]
    # The command quotes what Hydra would take for a number, and paths.
    return [(line[3], quote_values(line[4:], literal_keys(line[3], line[4:]))) for line in words]


@pytest.mark.parametrize("own", [(), ("CLIPS=videos", "PHOTOS=photos", "DATA=elsewhere")])
def test_every_table_of_the_paper_and_this_project_has_a_command_with_valid_settings(own):
    tables = []
    wanted = commands(*own)
    with initialize_config_dir(str(CONFIGS_DIR), version_base="1.3"):
        for name, arguments in wanted:
            composed = compose(name, overrides=arguments)
            if name == "evaluate":
                tables += [word.replace('"', "") for word in arguments if word.startswith("table=")]
                assert composed.table._target_
    known = {path.stem for path in (CONFIGS_DIR / "table").glob("*.yaml")}
    assert set(tables) == {f"table={name}" for name in known - {"2", "3"}}  # those are of the study


def test_lists_of_this_projects_data_do_not_restrict_ones_own_files():
    wanted = commands("CLIPS=videos", "PHOTOS=photos")
    clips, photos = 0, 0
    with initialize_config_dir(str(CONFIGS_DIR), version_base="1.3"):
        for name, arguments in wanted:
            if name == "evaluate":
                table = compose(name, overrides=arguments).table
                if (table.get("clips") or {}).get("path") == "videos":
                    assert table.clips.listed is None
                    clips += 1
                if (table.get("photos") or {}).get("path") == "photos":
                    assert table.photos.listed is None
                    photos += 1
    assert clips == 3  # Tables 1 and 4, and 4 with predicted motion
    assert photos == 1
