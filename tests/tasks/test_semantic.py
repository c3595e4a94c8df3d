import copy

import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.mask import MaskEnsemble
from stylecinegan.tasks.semantic import SemanticTask
from tests.tasks.batches import landscapes


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
    return landscapes(64)


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


def test_training_several_semantic_networks_at_once_is_refused():
    with pytest.raises(InputError, match="one at a time"):
        make_task(make_ensemble(context_networks=2))


def soft(batch, **changes):
    target = torch.nn.functional.one_hot(batch["label"], 4).permute(0, 3, 1, 2).float()
    ones = torch.ones_like(target[:, :1])
    parts = {"target": target, "weight": ones, "knows_water": ones, **changes}
    return {"image": batch["image"], **parts}


def test_soft_labels_that_are_certain_weigh_as_label_maps_do(batch):
    task = make_task()
    task.context.eval()
    plain = task.loss(batch)[0]
    torch.testing.assert_close(task.loss(soft(batch))[0], plain)
    target = soft(batch)["target"]
    falling = torch.cat([target[:, :2], 0.0 * target[:, 2:3], target[:, 2:3]], dim=1)
    torch.testing.assert_close(task.loss(soft(batch, target=falling))[0], plain)


def test_pixels_without_weight_are_not_learned(batch):
    task = make_task()
    task.context.eval()
    weight = torch.ones(4, 1, 64, 64)
    weight[..., 32:] = 0.0
    spoilt = soft(batch)["target"]
    spoilt[..., 32:] = spoilt[:, [1, 2, 0, 3], :, 32:]
    expected = task.loss(soft(batch, weight=weight))[0]
    torch.testing.assert_close(task.loss(soft(batch, weight=weight, target=spoilt))[0], expected)


def test_a_network_of_an_ensemble_is_trained_further(tmp_path):
    torch.manual_seed(1)
    ensemble = make_ensemble(context_networks=2)
    checkpoints.save(tmp_path / "mask.safetensors", ensemble, use_half=False)
    task = make_task(initial=tmp_path / "mask.safetensors", initial_network=1)
    for name, value in ensemble.context.networks[1].state_dict().items():
        torch.testing.assert_close(task.network.state_dict()[name], value)
    with pytest.raises(InputError, match="holds no semantic network 2"):
        make_task(initial=tmp_path / "mask.safetensors", initial_network=2)
