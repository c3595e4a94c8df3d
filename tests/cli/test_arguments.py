import random

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from stylecinegan.cli import command_line
from stylecinegan.cli.arguments import read_arguments, setting_names, suggestion
from stylecinegan.cli.quoting import quote_values
from stylecinegan.errors import InputError
from stylecinegan.resources import CONFIGS_DIR


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, with two photos and a folder."""
    for name in ("lake.jpg", "a=b.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("bare", ["lake.jpg", "photos", "./lake.jpg", "a=b.jpg"])
def test_an_existing_bare_path_is_the_photo(here, bare):
    assert read_arguments("generate", ["speed=2", bare]) == [f"photo={bare}", "speed=2"]
    assert read_arguments("style_sheet", [bare]) == [f"photo={bare}"]
    assert read_arguments("annotate", [bare]) == [f"photos={bare}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--photo=lake.jpg"], "without dashes: photo=lake.jpg"),
        (["--photo", "lake.jpg"], "without dashes: photo=lake.jpg"),
        (["--num-frames=3"], "without dashes: num_frames=3"),
        (["--pohto", "lake.jpg"], "did you mean photo=?"),
        (["photo", "=", "lake.jpg"], "without spaces: photo=lake.jpg"),
        (["photo", "=lake.jpg"], "without spaces: photo=lake.jpg"),
        (["photo=", "lake.jpg"], "without spaces: photo=lake.jpg"),
        (["photo = lake.jpg"], "without spaces: photo=lake.jpg"),
        (["photo", "lake.jpg"], "key=value: photo=lake.jpg"),
        (["gone.jpg"], "found no file gone.jpg"),
        (["sky"], "key=value, got sky"),
        (
            ["lake.jpg", "photos"],
            "one photo= (a file, or a folder of many), got lake.jpg and photos",
        ),
        (["lake.jpg", "photo=x.jpg"], "got photo=x.jpg and lake.jpg"),
        ([], "photo= is needed, e.g. stylecinegan generate photo=lake.jpg; --help"),
    ],
)
def test_misspelt_arguments_are_refused_with_the_right_spelling(here, arguments, message):
    with pytest.raises(InputError) as caught:
        read_arguments("generate", arguments)
    assert message in str(caught.value)


def test_flags_of_hydra_may_stand_anywhere(here):
    arguments = ["size=64", "lake.jpg", "-m", "speed=1,2", "--config-dir", "photos"]
    flags = ["-m", "--config-dir", "photos"]
    assert read_arguments("generate", arguments) == [
        *flags,
        "photo=lake.jpg",
        "size=64",
        "speed=1,2",
    ]


@pytest.mark.parametrize(
    ("given", "meant"), [("image", "photo"), ("output", "video"), ("prompt", "text")]
)
def test_settings_of_other_programs_are_answered_with_ours(given, meant):
    assert (
        suggestion(given, setting_names("generate"))
        == f"; did you mean {meant}=? --help lists the settings"
    )


def test_flags_of_hydra_and_overrides_are_unchanged(here):
    arguments = ["-m", "--config-dir", "photos", "--cfg=job", "~warping", "+x=1", "speed=0.5,2"]
    assert read_arguments("generate", arguments) == arguments


def composed(argument):
    key = argument.split("=")[0]
    with initialize_config_dir(str(CONFIGS_DIR), version_base="1.3"):
        return compose("generate", overrides=quote_values([argument], [key]))[key]


@pytest.mark.parametrize(
    "name",
    [
        "${photo}.jpg",
        "a\\${photo}.jpg",
        "$HOME.jpg",
        "${oc.env:HOME}",
        'say "cheese".jpg',
        "it's, (1) [2] {3} = 4%.jpg",
        "back\\slash\\",
        "'half.jpg",
    ],
)
def test_paths_are_taken_literally(name):
    assert composed(f"photo={name}") == name


def test_random_special_characters_are_taken_literally():
    pieces = ["\\", '"', "'", "$", "{", "}", "a", "${", ".", " ", ",", "=", "é", "${photo}", "?"]
    mixtures = random.Random(0)
    for _ in range(60):
        name = "x" + "".join(mixtures.choices(pieces, k=mixtures.randint(1, 9)))
        assert composed(f"photo={name}") == name


def test_prose_null_and_quoted_values_are_kept():
    assert composed("text=clouds drift left, slow") == "clouds drift left, slow"
    assert composed("photo=null") is None
    assert composed("photo='in quotes.jpg'") == "in quotes.jpg"
    with pytest.raises(InputError, match="photo= has no value"):
        composed("photo=")


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("generate", ["photo=x.jpg", "sped=2"], "no setting sped; did you mean speed=?"),
        ("generate", ["photo=x.jpg", "mask_caution=0,5"], "wanted one value, got mask_caution=0,5"),
        ("generate", ["photo=x.jpg", "arrows=[[0,1"], "cannot read the value of a setting"),
        ("user_study", [], "wanted values for videos=, photos=; --help"),
        ("benchmark", [], "wanted values for suite=; --help"),
        ("train", [], "experiment= is needed; one of appearance, "),
        ("evaluate", ["table=nine"], "no table=nine; one of 1, 2, "),
        ("train", ["experiment=paper/nine"], "no experiment=paper/nine; one of appearance, "),
    ],
)
def test_composition_errors_are_reported_in_one_line(command, arguments, message, monkeypatch):
    monkeypatch.setattr("sys.argv", [command, *arguments])
    with pytest.raises(SystemExit) as stop:
        command_line.run(lambda: pytest.fail("the command ran"), command)
    assert str(stop.value).startswith("error: ")
    assert message in str(stop.value)
    assert len(str(stop.value).splitlines()) == 1


def test_an_unknown_interpolation_is_reported_in_one_line():
    main = command_line.errors_in_one_line(lambda cfg: cfg.size)
    with pytest.raises(SystemExit, match=r"error: Interpolation key 'foo' not found"):
        main(OmegaConf.create({"size": "${foo}"}))
