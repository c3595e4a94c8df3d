import copy

import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.mask import MaskEnsemble
from stylecinegan.tasks.semantic import SemanticTask


def make_ensemble(**settings):
    return MaskEnsemble(
        5, num_members=1, hidden=(4, 4), context="semantic", context_width=16, **settings
    )


def make_task(ensemble=None, **settings):
    torch.manual_seed(0)
    ensemble = ensemble or make_ensemble()
    settings = {
        "num_frozen": 0,
        "num_warmup": 1,
        "num_steps": 60,
        "learning_rate": 1e-2,
        **settings,
    }
    return SemanticTask(ensemble, **settings)


@pytest.fixture(scope="module")
def batch():
    pictures = [draw_landscape(64, 64, seed) for seed in range(4)]
    return {
        "image": torch.cat([picture.image for picture in pictures]),
        "label": torch.cat([picture.label[:, 0] for picture in pictures]),
    }


def test_one_batch_is_overfitted(batch):
    task = make_task()
    losses = [float(task.step(batch)["entropy"]) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_resumed_run_takes_the_same_steps(batch):
    whole = make_task()
    whole.step(batch)
    resumed = make_task()
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    for task in (whole, resumed):
        torch.manual_seed(2)
        task.step(batch)
    for name, tensor in whole.context.state_dict().items():
        assert torch.equal(tensor, resumed.context.state_dict()[name]), name


def test_the_averaged_context_is_exported_in_a_mask_ensemble(batch, tmp_path):
    task = make_task()
    for _ in range(3):
        task.step(batch)
    task.export(tmp_path)
    loaded = checkpoints.load(tmp_path / "mask.safetensors", MaskEnsemble)
    for name, tensor in task.averaged.module.state_dict().items():
        found = loaded.context.state_dict()[name]
        torch.testing.assert_close(found, tensor, atol=1e-2, rtol=1e-2)


def test_the_first_blocks_of_the_trunk_stay_as_they_are(batch):
    task = make_task(num_frozen=2)
    trunk = task.context.networks[0].trunk
    before = copy.deepcopy(trunk.state_dict())
    task.step(batch)
    changed = {
        name for name, tensor in trunk.state_dict().items() if not tensor.equal(before[name])
    }
    assert not any(name.startswith(("stem", "blocks.0.", "blocks.1.")) for name in changed)
    assert "blocks.2.expand.weight" in changed


def test_networks_are_trained_one_at_a_time():
    with pytest.raises(InputError, match="one at a time"):
        make_task(make_ensemble(context_networks=2))
