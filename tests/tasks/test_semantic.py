import copy

import pytest
import torch

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
