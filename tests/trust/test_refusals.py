"""Files that are too large, cut off, disguised or that reach for something else."""

import io as byte_streams
import pickle
import struct
import tracemalloc
import zipfile
import zlib

import av
import numpy as np
import pytest
import torch
from lz4 import frame as lz4_frame
from PIL import Image, UnidentifiedImageError
from safetensors.torch import save_file

from stylecinegan import checkpoints, io
from stylecinegan.data.pictures import BROKEN, PictureFolder
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.importers.released_motion import load_motion_generator
from stylecinegan.io import motion_pth
from stylecinegan.motion.generator import MotionGenerator


def peak_bytes(function):
    """Most memory that a call allocates at a time, by Python and NumPy, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def repacked(path, change):
    """Writes a torch.save file anew, entry by entry."""
    stream = byte_streams.BytesIO()
    torch.save({"a": torch.zeros(1000)}, stream)
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            change(target, entry.filename, source.read(entry))


def test_a_compressed_checkpoint_is_refused_before_it_expands(tmp_path):
    def compress(target, name, data):
        data = bytes(100 * 2**20) if "/data/" in name else data
        target.writestr(name, data, zipfile.ZIP_DEFLATED)

    repacked(tmp_path / "bomb.pt", compress)
    assert (tmp_path / "bomb.pt").stat().st_size < 2**20

    def read():
        with pytest.raises(InputError, match=r"plain tensors, found .* compressed"):
            checkpoints.read_pickle(tmp_path / "bomb.pt")

    assert peak_bytes(read) < 10 * 2**20


def test_an_archive_that_escapes_its_folder_is_refused(tmp_path):
    for name in ("../../evil", "/etc/evil"):
        repacked(tmp_path / "x.pt", lambda target, *entry: target.writestr(*entry))
        with zipfile.ZipFile(tmp_path / "x.pt", "a") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(InputError, match="escapes its folder"):
            checkpoints.read_pickle(tmp_path / "x.pt")


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path):
    torch.save({"a": torch.ones(1000)}, tmp_path / "x.pt")
    data = bytearray((tmp_path / "x.pt").read_bytes())
    data[data.find(struct.pack("<f", 1.0) * 8) + 40] ^= 4
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(InputError, match="wrong checksum"):
        checkpoints.read_pickle(tmp_path / "x.pt")


def test_a_tensor_that_pretends_to_be_huge_is_refused(tmp_path):
    huge = torch.zeros(1).expand(100_000, 1_000_000)
    torch.save({"g_ema": {"to_rgb1.bias": huge}}, tmp_path / "x.pt")
    with pytest.raises(InputError, match=r"at most 4 GiB of weights, found 372 GiB"):
        checkpoints.load_generator(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            '{"channel_base": 10000000000000, "channel_max": 1000000000000}',
            "more than its tensors",
        ),
        ('{"num_mapping_layers": 100000000}', "more than its tensors"),
        ('{"resolution": 31}', "power of two"),
        ('{"none": 3}', "describes no network"),
        ("[" * 100_000, "lacks the arguments"),
        ("[3]", "by name, got list"),
    ],
)
def test_absurd_arguments_of_a_network_are_refused(tmp_path, arguments, message):
    metadata = {"class": "Generator", "arguments": arguments}
    save_file({"w_mean": torch.zeros(512)}, tmp_path / "x.safetensors", metadata=metadata)
    with pytest.raises(InputError, match=message):
        checkpoints.load(tmp_path / "x.safetensors", Generator)


def test_an_absurd_number_of_layers_in_a_released_file_is_refused(tmp_path):
    state = {
        "model.1.weight": torch.zeros(1, 3, 7, 7),
        "model.9999.conv_block.1.weight": torch.zeros(1),
    }
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(InputError, match="more than its tensors"):
        load_motion_generator(tmp_path / "x.pth")


def test_a_file_over_the_bound_is_not_read(tmp_path):
    with (tmp_path / "x.pt").open("wb") as stream:
        stream.truncate(checkpoints.MAX_BYTES + 1)  # sparse: it takes no space
        stream.seek(0)
        stream.write(b"PK")
    with pytest.raises(InputError, match="at most 4 GiB"):
        checkpoints.read_pickle(tmp_path / "x.pt")
    with pytest.raises(InputError, match="at most 1024 MiB, found 4096 MiB"):
        io.read_image(tmp_path / "x.pt")


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_download_that_was_cut_off_is_refused(tmp_path, kind, share):
    path = tmp_path / "motion.pth"
    network = MotionGenerator(3, 4, 1, 1)
    if kind == "safetensors":
        checkpoints.save(path, network)
    else:
        torch.save(network.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    data = path.read_bytes()
    path.write_bytes(data[: max(1, int(share * len(data)))])
    with pytest.raises(InputError) as caught:
        load_motion_generator(path)
    assert "\n" not in str(caught.value)


def test_a_web_page_saved_as_a_checkpoint_is_called_one(tmp_path):
    (tmp_path / "enc.pt").write_text("\n<!DOCTYPE html><title>Google Drive - Virus scan</title>")
    with pytest.raises(InputError, match="found a web page: the download failed"):
        checkpoints.load_generator(tmp_path / "enc.pt")


def test_a_memo_of_absurd_length_takes_no_memory(tmp_path):
    # One object, kept under the number 2^24: C's unpickler makes room for all before it.
    data = b"\x80\x02}r\x00\x00\x00\x01."
    (tmp_path / "x.pkl").write_bytes(data)
    assert peak_bytes(lambda: pickle.loads(data)) > 2**24
    found = []
    assert peak_bytes(lambda: found.append(checkpoints.read_pickle(tmp_path / "x.pkl"))) < 2**22
    assert found == [{}]


def test_postscript_under_a_pictures_name_is_not_run(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.eps")
    (tmp_path / "x.eps").rename(tmp_path / "x.jpg")
    with pytest.raises(InputError, match="found PostScript"):
        io.read_image(tmp_path / "x.jpg")
    with pytest.raises(UnidentifiedImageError):  # not an error of Ghostscript
        PictureFolder(tmp_path).read("x.jpg")


def bomb_png():
    """Says to be 30000x30000 white pixels; some of them are there."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def test_a_picture_that_expands_beyond_the_bound_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(bomb_png())
    for read in (io.read_image, io.read_mask):
        with pytest.raises(InputError, match="at most 100 megapixels"):
            read(tmp_path / "x.png")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "x.png", "deep/x.png")
        archive.write(tmp_path / "x.png", "../outside.png")
    for pictures in (PictureFolder(tmp_path), PictureFolder(tmp_path / "x.zip")):
        assert len(pictures.names) == 1
        with pytest.raises(BROKEN):
            pictures.read(pictures.names[0])
        assert pictures.size(pictures.names[0]) == 0


def test_a_video_whose_frames_are_beyond_the_bound_is_refused(tmp_path):
    # A GIF's header gives the size of the picture, in which a frame of one pixel is placed.
    def write(side):
        header = b"GIF89a" + struct.pack("<HHBBB", side, side, 0xF0, 0, 0) + bytes(6)
        image = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00;"
        (tmp_path / "x.gif").write_bytes(header + image)

    write(16)
    assert [frame.shape for frame in io.read_video(tmp_path / "x.gif")] == [(1, 3, 16, 16)]
    write(10_001)
    with pytest.raises(InputError, match="at most 100 megapixels, found 10001x10001"):
        list(io.read_video(tmp_path / "x.gif"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("clip.mp4", "ffconcat version 1.0\nfile secret.mp4\n"),
        (
            "clip.m3u8",
            "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
        ),
    ],
)
def test_a_playlist_opens_no_other_file(tmp_path, name, content):
    io.write_video(tmp_path / "secret.mp4", [torch.zeros(1, 3, 16, 16)] * 2, fps=5)
    (tmp_path / name).write_text(content)
    with av.open(str(tmp_path / name)) as container:  # FFmpeg itself opens it
        assert len(list(container.decode(video=0))) == 2
    with pytest.raises(InputError, match="wanted a video, found other data"):
        list(io.read_video(tmp_path / name))


def test_arrays_that_expand_beyond_the_bound_are_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("motion.npy", "w", force_zip64=True) as stream,
    ):
        header = {"descr": "<f4", "fortran_order": False, "shape": (2, 20_000, 8_000)}
        np.lib.format.write_array_header_1_0(stream, header)
        for _ in range(20):
            stream.write(bytes(64 * 10**6))
    with pytest.raises(InputError, match="at most 1024 MiB, found 1220 MiB"):
        io.read_motion(tmp_path / "m.npz")
    with (tmp_path / "m.npy").open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2, 10**7, 10**6)}
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(InputError, match="damaged"):
        io.read_motion(tmp_path / "m.npy")


def test_a_frame_of_lz4_that_expands_beyond_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(motion_pth, "MAX_BYTES", 2**20)
    (tmp_path / "m.pth").write_bytes(lz4_frame.compress(bytes(2**22)))
    with pytest.raises(InputError, match="at most 1 MiB, found more"):
        motion_pth.read_motion_pth(tmp_path / "m.pth")


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x.jpg", "a\0b.jpg", "x" * 5000])
def test_names_that_no_file_can_have_are_refused(name):
    for read in (io.read_image, io.read_mask, io.read_motion, io.read_video, io.check_writable):
        if read is io.check_writable:
            name = name.removesuffix(".jpg") + ".mp4"
            if name.startswith("~"):
                continue
        with pytest.raises(InputError):
            read(name)
