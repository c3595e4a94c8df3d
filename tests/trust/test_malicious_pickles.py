"""A file that runs its code would leave a canary: none of the loaders may hatch it."""

import builtins
import os
import pickle

import numpy as np
import pytest
import torch
from lz4 import frame as lz4_frame

from stylecinegan import checkpoints, io
from stylecinegan.errors import InputError
from stylecinegan.importers.recognition import recognize
from stylecinegan.importers.released_classifiers import load_released_ensemble
from stylecinegan.importers.released_motion import load_motion_generator
from stylecinegan.io.motion_pth import read_motion_pth
from stylecinegan.training.run_state import load_latest_state
from tests.checkpoints import nvidia_files
from tests.generator import published

CHANNELS = {4: 4, 8: 4, 16: 4, 32: 4}


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(canary):
    code = f"open({str(canary)!r}, 'w').close()"
    return {
        "os.system": Call(os.system, f"touch '{canary}'"),
        "builtins.eval": Call(builtins.eval, f"__import__('os').mknod({str(canary)!r})"),
        "builtins.exec": Call(builtins.exec, code),
        "nested": {"g_optim": {"state": {0: [Call(builtins.exec, code)]}}},
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "torch.load": Call(torch.load, str(canary)),
    }


ATTACKS = list(attacks(""))


def contents(attack):
    """Content of a file of each kind, with an attack beside its weights."""
    return {
        "generator": {"g_ema": published.random_state(32, 8, 1, CHANNELS), "extra": attack},
        "encoder": {"enc_state_dict": {}, "enc_opt_state_dict": attack},
        "classifier": {"model_state_dict": {"module.layers.0.weight": torch.zeros(2)}, "x": attack},
        "motion generator": {"model.1.weight": torch.zeros(1, 1, 1, 1), "model.1.bias": attack},
        "mean": [attack],
        "run state": {"step": 3, "task": {}, "batches": attack},
    }


def load_all_ways(kind, path):
    if kind == "generator":
        checkpoints.load_generator(path)
    elif kind == "encoder":
        recognize(path, torch.zeros(8))
    elif kind == "classifier":
        path.rename(path.with_name("model_0.pth"))
        load_released_ensemble(path.parent)
    elif kind == "motion generator":
        load_motion_generator(path)
    elif kind == "mean":
        checkpoints.read_mean(path)
    else:
        path.rename(path.with_name("state-00000003.pt"))
        load_latest_state(path.parent)


@pytest.mark.parametrize("attack", ["os.system", "builtins.eval", "builtins.exec", "nested"])
def test_the_attacks_succeed_against_pickle_itself(tmp_path, attack):
    pickle.loads(pickle.dumps(attacks(tmp_path / "canary")[attack]))
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("kind", list(contents(None)))
def test_no_loader_of_weights_runs_what_a_file_brings(tmp_path, kind, attack):
    canary = tmp_path / "canary"
    hostile = contents(attacks(canary)[attack])[kind]
    writers = {
        "zip": lambda path: torch.save(hostile, path),
        "legacy": lambda path: torch.save(hostile, path, _use_new_zipfile_serialization=False),
        "pickle": lambda path: path.write_bytes(pickle.dumps(hostile)),
    }
    for name, write in writers.items():
        folder = tmp_path / name
        folder.mkdir()
        write(folder / "weights.pth")
        with pytest.raises(InputError, match="not a checkpoint that can be read safely") as caught:
            recognize(folder / "weights.pth", torch.zeros(8))
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match=r"can be read safely|wanted a readable state"):
            load_all_ways(kind, folder / "weights.pth")
        assert not canary.exists()


def test_the_source_that_an_nvidia_pickle_embeds_is_never_executed(tmp_path):
    canary = tmp_path / "canary"
    state = nvidia_files.random_state(32, 8, 1, CHANNELS)
    source = f"open({str(canary)!r}, 'w').close()"
    nvidia_files.write(tmp_path / "g.pkl", state, source=source)
    # Its tensors are plain data: the file loads, its code is left where it is.
    assert checkpoints.load_generator(tmp_path / "g.pkl").resolution == 32
    assert not canary.exists()


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_inside_an_nvidia_pickle_is_refused(tmp_path, attack):
    canary = tmp_path / "canary"
    state = nvidia_files.random_state(32, 8, 1, CHANNELS)
    hostile = attacks(canary)[attack]
    nvidia_files.write(tmp_path / "g.pkl", state, training_set_kwargs=hostile)
    with pytest.raises(InputError, match=r"not executed"):
        checkpoints.load_generator(tmp_path / "g.pkl")
    assert not canary.exists()


def test_a_pickle_in_a_storage_of_an_nvidia_pickle_is_refused(tmp_path):
    canary = tmp_path / "canary"
    inner = tmp_path / "inner.pt"
    hostile = Call(os.system, f"touch '{canary}'")
    for is_zip in (True, False):
        torch.save(hostile, inner, _use_new_zipfile_serialization=is_zip)
        bomb = Call(torch.storage._load_from_bytes, inner.read_bytes())
        nvidia_files.write(
            tmp_path / "g.pkl", nvidia_files.random_state(32, 8, 1, CHANNELS), augment_pipe=bomb
        )
        with pytest.raises(InputError):
            checkpoints.load_generator(tmp_path / "g.pkl")
        assert not canary.exists()


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_reader_of_motion_runs_what_a_file_brings(tmp_path, attack):
    canary = tmp_path / "canary"
    hostile = attacks(canary)[attack]
    (tmp_path / "lz4.pth").write_bytes(lz4_frame.compress(pickle.dumps(hostile)))
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(hostile))
    torch.save(hostile, tmp_path / "torch.pth")
    for name in ("lz4.pth", "plain.pth", "torch.pth"):
        with pytest.raises(InputError):
            read_motion_pth(tmp_path / name)
    np.save(tmp_path / "m.npy", np.array([hostile], object), allow_pickle=True)
    np.savez(tmp_path / "m.npz", motion=np.array([hostile], object))
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(hostile))
    for name in ("m.npy", "m.npz", "raw.npy"):
        with pytest.raises(InputError):
            io.read_motion(tmp_path / name)
    assert not canary.exists()


@pytest.mark.parametrize(
    "target",
    [
        b"cos\nsystem\n",
        b"cbuiltins\neval\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"c_codecs\nencode\n",
    ],
)
def test_a_pickle_cannot_replace_attributes_of_functions(tmp_path, target):
    # Protocol 2: the object, then a state (None, {"__defaults__": ()}), then BUILD.
    data = b"\x80\x02" + target + b"N}X\x0c\x00\x00\x00__defaults__)s\x86b."
    (tmp_path / "g.pkl").write_bytes(data)
    with pytest.raises(InputError, match=r"not executed|a state for something that has none"):
        checkpoints.read_pickle(tmp_path / "g.pkl")
