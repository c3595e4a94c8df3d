import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan import io
from stylecinegan.appearance import read_latent, write_latent
from stylecinegan.data.drawn import draw_landscape
from tests.mask.decided import write_model
from tests.processes import run_script
from tests.tiny_model import write_example

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/generate.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model, a photo, a mask and motions."""
    folder = tmp_path_factory.mktemp("generate")
    drawn = write_example(folder, 66, 98)
    io.write_mask(folder / "empty.png", drawn.mask * 0)
    io.write_mask(folder / "full.png", torch.ones(1, 1, 20, 30))
    io.write_mask(folder / "grey.png", torch.full((1, 1, 20, 30), 90 / 255))
    write_model(folder / "static_model", 0)
    np.save(folder / "motion.npy", np.ones((1, 2, 40, 40), np.float32))
    np.save(folder / "nan.npy", np.full((2, 40, 40), np.nan, np.float32))
    np.save(folder / "three.npy", np.ones((3, 40, 41), np.float32))
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.jpg").touch()
    whole = folder / "whole.jpg"
    io.write_image(whole, drawn.image)
    (folder / "truncated.jpg").write_bytes(whole.read_bytes()[:1200])
    return folder


def generate(folder, *overrides, **options):
    defaults = {"photo": "photo.png", "mask": "mask.png", "num_frames": "4", "device": "cpu"}
    given = dict(override.split("=", 1) for override in overrides)
    arguments = [f"{key}={value}" for key, value in {**defaults, **given}.items()]
    if not any(argument.startswith("model") for argument in arguments):
        arguments.append("model.directory=model")
    return run_script("generate.py", *arguments, cwd=folder, **options)


def test_the_video_and_intermediate_results_are_written(folder):
    done = generate(
        folder, "motion=motion.npy", "video=out/lac été (1).mp4", "save_intermediate=true"
    )
    assert done.returncode == 0, done.stderr
    assert "the video is in out/lac été (1).mp4" in done.stdout
    for step in ("load the model", "render and encode the frames"):
        assert step in done.stdout
    frames = list(io.read_video(folder / "out/lac été (1).mp4"))
    assert [tuple(frame.shape) for frame in frames] == [(1, 3, 66, 98)] * 4
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == [
        "lac été (1).mp4",
        "lac été (1)_inversion.png",
        "lac été (1)_latent.safetensors",
        "lac été (1)_loop.json",
        "lac été (1)_mask.png",
        "lac été (1)_motion.npy",
        "lac été (1)_motion.png",
    ]
    figures = json.loads((folder / "out/lac été (1)_loop.json").read_text())
    assert figures["closing_step_ratio"] <= 1.05


def test_static_pixels_of_png_frames_equal_the_photo_exactly(folder):
    done = generate(folder, "video=frames/", "motion=left")
    assert done.returncode == 0, done.stderr
    frames = sorted((folder / "frames").iterdir())
    assert len(frames) == 4
    photo = io.read_image(folder / "photo.png")
    static = (io.read_mask(folder / "mask.png") == 0).expand_as(photo)
    for path in frames:
        assert torch.equal(io.read_image(path)[static], photo[static])


def test_a_hint_file_gives_the_motion_of_the_same_settings(folder):
    arrow, anchor = [[0.2, 0.1], [0.5, 0.1], [0.7, 0.3]], [0.5, 0.2]
    hints = {"arrows": [arrow], "anchors": [anchor], "text": "slow", "speed": 2.0}
    (folder / "hints.json").write_text(json.dumps(hints))
    told = (f"arrows={[arrow]}", f"anchors={[anchor]}", "text=slow", "speed=2.0")
    motions = []
    for name, settings in (("file", ["hints=hints.json"]), ("told", told)):
        done = generate(
            folder, *settings, "motion=motion.npy", f"video={name}.mp4", "save_intermediate=true"
        )
        assert done.returncode == 0, done.stderr
        motions.append(np.load(folder / f"{name}_motion.npy"))
    assert np.abs(motions[0]).max() > 0
    np.testing.assert_array_equal(*motions)


def test_messages_during_a_progress_bar_have_separate_lines(folder):
    io.write_image(folder / "odd.png", draw_landscape(66, 97, seed=1).image)
    done = generate(folder, "photo=odd.png", "motion=left", "video=odd.mp4", is_joined=True)
    assert done.returncode == 0, done.stdout
    message = (
        ".mp4 needs even sides: the video is 96x66, cropped from 97x66 at the right and bottom"
    )
    assert message in done.stdout.splitlines()


def test_with_mask_all_everything_moves(folder):
    done = generate(folder, "mask=all", "motion=left", "video=all.mp4", "save_intermediate=true")
    assert done.returncode == 0, done.stderr
    assert bool((io.read_mask(folder / "all_mask.png", (66, 98)) == 1.0).all())
    assert np.load(folder / "all_motion.npy")[0, 0].max() < 0  # to the left, everywhere


def test_a_push_with_a_depth_map_of_another_size_and_a_crop(folder):
    depth = np.zeros((20, 30), np.uint8)
    depth[10:] = 200
    Image.fromarray(depth).save(folder / "depth.png")
    done = generate(
        folder, "motion=left", "camera=push", "depth=depth.png", "aspect=1:1", "video=pushed/"
    )
    assert done.returncode == 0, done.stderr
    frames = [io.read_image(path) for path in sorted((folder / "pushed").iterdir())]
    assert [tuple(frame.shape) for frame in frames] == [(1, 3, 66, 66)] * 4
    photo, mask = io.read_image(folder / "photo.png"), io.read_mask(folder / "mask.png")
    positions = [
        left
        for left in range(98 - 66 + 1)
        if torch.equal(
            *(
                part[(mask[..., left : left + 66] == 0).expand_as(part)]
                for part in (frames[0], photo[..., left : left + 66])
            )
        )
    ]
    assert len(positions) == 1  # a push begins with the photo
    static = (mask[..., positions[0] : positions[0] + 66] == 0).expand_as(frames[0])
    assert (frames[2] - frames[0])[static].abs().mean() > 0.01
    assert (frames[3] - frames[1])[static].abs().max() < 3 / 127.5  # and returns on the same path


def test_the_style_changes_and_returns_over_the_loop(folder):
    done = generate(
        folder,
        "motion=left",
        "style=pc1:+3,pc2:-2",
        "style_strength=1.5",
        "num_frames=6",
        "video=styled/",
    )
    assert done.returncode == 0, done.stderr
    assert "keyframes" in done.stdout
    photo = io.read_image(folder / "photo.png")
    frames = [io.read_image(path) for path in sorted((folder / "styled").iterdir())]
    static = (io.read_mask(folder / "mask.png") == 0).expand_as(photo)
    assert torch.equal(frames[0][static], photo[static])
    changes = [float((frame - photo)[static].abs().mean()) for frame in frames]
    # β is 0, 1/4, 3/4, 1, 3/4, 1/4 of the maximum.
    assert 0.0 < changes[1] < changes[2] < changes[3]
    assert changes[4] == pytest.approx(changes[2])
    assert changes[5] == pytest.approx(changes[1])


def test_saved_codes_are_used_as_a_style_and_saved(folder):
    write_latent(folder / "codes.npz", torch.ones(1, 14, 8))
    arguments = ("num_frames=2", "style_schedule=constant", "save_intermediate=true")
    done = generate(folder, *arguments, "style=codes.npz", "video=saved/x/")
    assert done.returncode == 0, done.stderr
    photo = io.read_image(folder / "photo.png")
    static = (io.read_mask(folder / "mask.png") == 0).expand_as(photo)
    for path in (folder / "saved/x").iterdir():
        assert (io.read_image(path) - photo)[static].abs().mean() > 0.05
    assert torch.equal(read_latent(folder / "saved/x_style.safetensors"), torch.ones(1, 14, 8))
    assert read_latent(folder / "saved/x_latent.safetensors").shape == (1, 14, 8)


def test_several_seeds_write_a_folder_of_videos(folder):
    done = generate(folder, "photo=null", "seeds=9-10", "video=many", "num_frames=2", "size=64")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "many").iterdir()) == ["seed09.mp4", "seed10.mp4"]
    first, second = (next(io.read_video(folder / f"many/seed{n}.mp4")) for n in ("09", "10"))
    assert (first - second).abs().mean() > 0.05


def predict_mask(folder, *overrides):
    """Runs the command with a model that predicts static photos; its result and the mask's file."""
    overrides = ("mask=auto", "model.directory=static_model", "num_frames=2", *overrides)
    done = generate(folder, *overrides, "video=mask/x.gif", "save_intermediate=true")
    return done, folder / "mask/x_mask.png"


def test_a_photo_without_moving_regions_is_refused_with_advice(folder):
    done, _ = predict_mask(folder)
    assert done.returncode == 1
    assert re.fullmatch(r"error: found neither sky nor water .* mask=FILE\n", done.stderr)


def test_a_predicted_mask_is_corrected_by_painted_ones(folder):
    # Of another size than the photo's 98x66, with a soft edge: 1/2 in the last quarter.
    add = torch.zeros(1, 1, 132, 196)
    add[..., 98:147], add[..., 147:] = 1.0, 0.5
    remove = torch.zeros(1, 1, 33, 49)
    remove[..., :11, :] = 1.0
    io.write_mask(folder / "more (1).png", add)
    io.write_mask(folder / "less.png", remove)
    done, path = predict_mask(folder, "mask_add=more (1).png", "mask_remove=less.png")
    assert done.returncode == 0, done.stderr
    mask = io.read_mask(path)[0, 0]
    assert mask[:21].eq(0).all()
    assert mask[23:, :49].eq(0).all()
    assert mask[23:, 49:73].eq(1).all()
    torch.testing.assert_close(mask[23:, 74:], torch.full((43, 24), 0.5), rtol=0, atol=1 / 255)


def test_mask_small_everything_moves_everything(folder):
    done, path = predict_mask(folder, "mask_small=everything")
    assert done.returncode == 0, done.stderr
    assert io.read_mask(path).eq(1).all()


def test_only_the_video_is_written(folder, tmp_path):
    (tmp_path / "a").mkdir()
    done = generate(folder, f"video={tmp_path}/a/x.gif", "size=64")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.gif"]
    assert not (folder / "outputs").exists()
    assert not (folder / ".hydra").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("photo=missing.jpg", "missing.jpg: wanted a photo, found no such file"),
        ("photo=model", "wanted photos .* in model, found none"),
        ("photo=text.jpg", "text.jpg: wanted a photo, found data of an unknown format"),
        ("photo=truncated.jpg", "truncated.jpg: the picture is damaged or cut off"),
        ("photo=empty.jpg", "empty.jpg: wanted a photo, found an empty file"),
        ("motion=nan.npy", "nan.npy: wanted a motion of finite numbers"),
        ("hints=text.jpg", "must hold JSON"),
        ("motion=three.npy", r"three.npy: wanted a motion .* found \[3, 40, 41\]"),
        ("motion=sideways", "sideways: wanted a motion .* found no such file"),
        ("mask=empty.png", "mask is empty: .* in empty.png"),
        ("mask=grey.png", "grey.png as a mask: wanted white .* the grey value 90 everywhere"),
        ("mask_add=grey.png", "grey.png as a mask"),
        ("mask_remove=grey.png", "grey.png as a mask"),
        ("mask_remove=full.png", "mask is empty: .* in mask.png outside full.png"),
        ("mask_small=maybe", "keep or everything, got maybe"),
        ("num_frames=1", "num_frames must be a whole number of at least 2, got 1"),
        ("num_frames=many", "num_frames must be a number, got many"),
        ("fps=0", "fps must be a number of at least 1, got 0"),
        ("seed=3", "got photo and seed"),
        ("style=pc9:1", "from pc1 to pc8, got pc9"),
        ("style_strength=nan", "style_strength must be a finite number, got nan"),
        ("video=/proc/none/x.mp4", "cannot write /proc/none/x.mp4"),
        ("video=x.avi", r"wanted a name ending in .* found '\.avi'"),
        ("number_of_frames=3", "no setting number_of_frames; did you mean num_frames="),
        ("model.directory=nowhere", "wanted a folder nowhere or converted weights of that name in"),
        ("device=cuda:99", "device must be auto, cpu or cuda, got cuda:99"),
    ],
)
def test_invalid_input_is_reported_in_one_line_and_writes_nothing(
    folder, override, message, tmp_path
):
    (tmp_path / "kept.mp4").write_bytes(b"precious")
    video = [] if override.startswith("video") else [f"video={tmp_path}/kept.mp4"]
    done = generate(folder, override, *video)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert re.search(message, lines[0]), lines[0]
    assert (tmp_path / "kept.mp4").read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_traceback_is_shown_with_hydra_full_error(folder):
    done = generate(folder, "photo=missing.jpg", HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_labelme_files_are_mask_and_arrows_and_eulerian_files_are_motion(folder):
    shapes = [
        {"label": "motion", "shape_type": "rectangle", "points": [[0, 0], [98, 30]]},
        {"label": "hint0", "shape_type": "line", "points": [[60, 10], [20, 10]]},
    ]
    drawing = {"shapes": shapes, "imageHeight": 66, "imageWidth": 98}
    (folder / "drawn, really.json").write_text(json.dumps(drawing))
    torch.save(torch.ones(1, 2, 66, 98), folder / "lake_motion.pth")
    done = generate(
        folder,
        "mask=drawn, really.json",
        "arrows=drawn, really.json",
        "motion=lake_motion.pth",
        "video=drawn.mp4",
        "save_intermediate=true",
    )
    assert done.returncode == 0, done.stderr
    mask = io.read_mask(folder / "drawn_mask.png")[0, 0]
    assert mask[:30].min() == 1
    assert mask[30:].max() == 0
    motion = io.read_motion(folder / "drawn_motion.npy")[0]
    assert motion[0, 10, 40] < 0  # to the left, as the line was drawn
    assert abs(motion[1, 10, 40]) < 0.1 * -motion[0, 10, 40]


def test_arrows_can_be_numbers(folder):
    done = generate(
        folder, "arrows=[[0.2,0.1,0.6,0.1]]", "video=arrows.mp4", "save_intermediate=true"
    )
    assert done.returncode == 0, done.stderr
    x, y = np.load(folder / "arrows_motion.npy")[0, :, 6, 39]  # in the middle of the arrow
    assert x > 0
    assert abs(y) < 0.1 * x


def test_the_moving_layer_is_written_cropped_with_alpha_and_a_poster(folder):
    done = generate(
        folder, "video=editors/a.mov", "alpha=true", "aspect=9:16", "repeat=2", "poster=true"
    )
    assert done.returncode == 0, done.stderr
    frames = list(io.read_video(folder / "editors/a.mov"))
    assert [tuple(frame.shape) for frame in frames] == [(1, 3, 66, 36)] * 8
    with av.open(str(folder / "editors/a.mov")) as container:
        assert container.streams.video[0].format.name.startswith("yuva")
    assert io.read_image(folder / "editors/a_poster.jpg").shape == (1, 3, 66, 36)
    assert len(list((folder / "editors").iterdir())) == 2


def test_a_transparent_photo_stays_transparent_in_formats_with_alpha(folder):
    photo = io.to_uint8(draw_landscape(66, 98, seed=1).image).numpy()
    opacity = np.full((66, 98), 255, np.uint8)
    opacity[:, :40] = 0
    Image.fromarray(np.dstack([photo, opacity])).save(folder / "cut out.png")
    done = generate(folder, "photo=cut out.png", "video=cut_out/")
    assert done.returncode == 0, done.stderr
    files = list((folder / "cut_out").iterdir())
    assert len(files) == 4
    for path in files:
        with Image.open(path) as frame:
            assert frame.mode == "RGBA"
            assert (np.asarray(frame.getchannel("A")) == opacity).all()
    done = generate(folder, "photo=cut out.png", "video=cut_out.mp4")
    assert done.returncode == 0, done.stderr
    assert "partly transparent, which .mp4 does not support: white is shown instead" in done.stdout
    frames = list(io.read_video(folder / "cut_out.mp4"))
    assert len(frames) == 4
    assert min(frame[..., :36].min() for frame in frames) > 0.97
