"""Random damage to real files: only the documented error may come out.

Memory is bounded by a limit on the whole process, in processes of their own.
"""

import io as byte_streams
import json
import pickle
import random
import resource
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lz4 import frame as lz4_frame
from PIL import Image

from stylecinegan import checkpoints, io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.importers.recognition import recognize
from stylecinegan.io.motion_pth import read_motion_pth
from stylecinegan.motion.generator import MotionGenerator
from tests.checkpoints import nvidia_files
from tests.generator import published
from tests.importers.encoder_files import checkpoint, trained_encoder
from tests.importers.test_released_motion import published as pix2pixhd
from tests.processes import run_code

ROOT = Path(__file__).parents[2]
CHANNELS = {4: 4, 8: 4, 16: 4, 32: 4}
EXTRA_BYTES = 2 * 2**30
"""What reading may take beyond the process itself: a small file cannot ask for more."""


def read_all_frames(path):
    for _ in io.read_video(path, max_frames=20):
        pass


def recognize_weights(path):
    recognize(path, torch.zeros(16))


def write_seeds(folder):
    """Small real files of every kind, and what reads them."""
    image, mask = draw_landscape(40, 56, seed=1).image, draw_landscape(40, 56, seed=1).mask
    motion = torch.rand(1, 2, 12, 16)
    for suffix in ("png", "jpg", "webp", "tif", "bmp"):
        io.write_image(folder / f"image.{suffix}", image)
    deep = (np.arange(40 * 56, dtype=np.uint16) * 29).reshape(40, 56)
    Image.fromarray(deep).save(folder / "deep.png")
    io.write_mask(folder / "mask.png", mask)
    for suffix in ("npy", "flo"):
        io.write_motion(folder / f"motion.{suffix}", motion)
    np.savez_compressed(folder / "motion.npz", motion=motion.numpy())
    stream = byte_streams.BytesIO()
    torch.save(motion, folder / "torch.pth")
    stream.write(lz4_frame.compress(pickle.dumps(motion.numpy())))
    (folder / "lz4.pth").write_bytes(stream.getvalue())
    for suffix in ("mp4", "webm", "gif"):
        io.write_video(folder / f"video.{suffix}", [image, image.flip(3), image], fps=10)
    weights = folder / "weights"
    weights.mkdir()
    generator = {"g_ema": published.random_state(32, 16, 1, CHANNELS)}
    torch.save(generator, weights / "rosinality.pt")
    torch.save(generator, weights / "legacy.pt", _use_new_zipfile_serialization=False)
    nvidia_state = nvidia_files.random_state(32, 16, 1, CHANNELS)
    nvidia_files.write(weights / "nvidia.pkl", nvidia_state)
    nvidia_files.write_tensorflow(weights / "tensorflow.pkl", nvidia_state)
    torch.save(checkpoint(trained_encoder()), weights / "encoder.pth")
    torch.save(pix2pixhd("pix2pixhd").state_dict(), weights / "motion.pth")
    checkpoints.save(weights / "ours.safetensors", MotionGenerator(3, 4, 1, 1))
    readers = [(path, recognize_weights) for path in sorted(weights.iterdir())]
    for path in sorted(folder.glob("*.*")):
        kind = path.name.split(".")[0]
        reader = {"motion": io.read_motion, "mask": io.read_mask, "video": read_all_frames}
        pth = read_motion_pth if path.suffix == ".pth" else io.read_image
        readers.append((path, reader.get(kind, pth)))
    return readers


def mutate(data, draw):
    """Damages bytes as disks, downloads and attackers do."""
    data = bytearray(data)
    choice = draw.random()
    # Headers and indices, where numbers mean lengths, are at both ends.
    place = draw.choice([draw.randrange(min(200, len(data))), draw.randrange(len(data))])
    if choice < 0.15:
        return bytes(data[: draw.randrange(1, len(data))])
    if choice < 0.3:
        data[place : place + draw.randrange(1, 64)] = b""
    elif choice < 0.45:
        data[place:place] = draw.randbytes(draw.randrange(1, 16))
    elif choice < 0.6:
        extreme = draw.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 4, b"\xff\xff\xff\x7f"])
        data[place : place + 4] = extreme
    else:
        for _ in range(draw.randrange(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data) or b"\0"


def damage_everything(folder, num_rounds, seed):
    """Reads ``num_rounds`` damaged versions of each file; what is raised must be documented."""
    draw = random.Random(seed)
    counts = {"read": 0, "refused": 0}
    for path, read in write_seeds(folder):
        data = path.read_bytes()
        read(path)  # it is whole
        for number in range(num_rounds):
            path.write_bytes(mutate(data, draw))
            try:
                read(path)
                counts["read"] += 1
            except InputError as error:
                counts["refused"] += 1
                if "\n" in str(error):
                    raise AssertionError(f"more than one line: {error}") from error
            except BaseException:
                kept = folder.parent / f"crash-{path.name}"
                kept.write_bytes(path.read_bytes())
                print(f"round {number} of {path.name}: kept as {kept}", flush=True)
                raise
    return counts


def main(folder, num_rounds, seed):
    """Runs under the limit on memory; what is mapped by now does not count."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print(json.dumps(damage_everything(Path(folder), int(num_rounds), int(seed))))


@pytest.mark.parametrize("num_rounds", [12, pytest.param(600, marks=pytest.mark.slow)])
def test_damaged_files_of_every_kind_are_read_or_refused_within_memory(tmp_path, num_rounds):
    code = "from tests.trust import test_fuzz; import sys; test_fuzz.main(*sys.argv[1:])"
    folder = tmp_path / "files"
    folder.mkdir()
    done = run_code(code, folder, num_rounds, num_rounds, timeout=1200)
    assert done.returncode == 0, (done.returncode, done.stdout[-500:], done.stderr[-2000:])
    counts = json.loads(done.stdout.splitlines()[-1])
    num_files = len([path for path in folder.rglob("*") if path.is_file()])
    assert counts["read"] + counts["refused"] == num_files * num_rounds
    assert counts["refused"] > num_files * num_rounds / 3  # most damage is noticed


any_bytes = st.binary(min_size=1, max_size=400)
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(data=any_bytes, start=st.sampled_from([b"", b"\x80\x02", b"\x80\x04\x95", b"PK\x03\x04"]))
def test_arbitrary_bytes_are_refused_as_a_checkpoint(tmp_path, data, start):
    (tmp_path / "x").write_bytes(start + data)
    with pytest.raises(InputError):
        recognize(tmp_path / "x")


@quick
@given(
    data=any_bytes, start=st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"PIEH", b"\x04\x22M\x18"])
)
def test_arbitrary_bytes_are_refused_as_a_picture_a_motion_and_a_video(tmp_path, data, start):
    for suffix, read in {
        "png": io.read_image,
        "npy": io.read_motion,
        "flo": io.read_motion,
        "pth": read_motion_pth,
        "mp4": read_all_frames,
    }.items():
        (tmp_path / f"x.{suffix}").write_bytes(start + data)
        with pytest.raises(InputError):
            read(tmp_path / f"x.{suffix}")


@settings(max_examples=25, deadline=None)
@given(
    key=st.sampled_from(["photo", "video", "mask", "num_frames", "model", "size", "arrows", "+x"]),
    value=st.text(max_size=30) | st.sampled_from(["[[0,0", "${photo}", "null", "{a:1}", "1e999"]),
)
@example(key="model", value="null")
def test_any_override_composes_or_is_refused_in_one_line(key, value):
    outcome = []
    handler = signal.getsignal(signal.SIGTERM)  # the script sets its own
    with pytest.MonkeyPatch.context() as patch:
        from stylecinegan.cli.command_line import run

        patch.setattr(sys, "argv", ["generate.py", f"{key}={value}"])
        try:
            run(lambda: outcome.append("composed"), "generate")
        except SystemExit as stop:
            outcome.append(stop.code)
    signal.signal(signal.SIGTERM, handler)
    assert len(outcome[0].splitlines()) == 1
    assert outcome[0] == "composed" or outcome[0].startswith("error: ")
