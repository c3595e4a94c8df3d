"""The promises that every task keeps, whatever it trains."""

import functools
import operator

import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.tasks import generator, layout_gan, projected_gan, texture_gan
from stylecinegan.tasks.reconstruction import fit_mapping
from stylecinegan.training import run_state
from tests.nested import assert_identical
from tests.tasks.contracts import CONTRACTS

CASES = [pytest.param(contract, id=name) for name, contract in CONTRACTS.items()]


@pytest.fixture(autouse=True)
def toy_size(monkeypatch, toy_gans):
    monkeypatch.setattr(generator, "fit_mapping", functools.partial(fit_mapping, num_steps=20))


@pytest.fixture
def make(tmp_path, squeezenet):
    def make(contract, **settings):
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        return contract.make(folder, squeezenet, **settings)

    return make


def weights_of(task, name):
    return {k: v.clone() for k, v in operator.attrgetter(name)(task).state_dict().items()}


def step(task, batch, seed=7):
    torch.manual_seed(seed)
    return task.step(batch)


def is_changed(task, name, before):
    after = operator.attrgetter(name)(task).state_dict()
    return any(not torch.equal(tensor, after[key]) for key, tensor in before.items())


@pytest.mark.parametrize("contract", CASES)
def test_a_step_changes_what_is_trained_and_nothing_that_is_frozen(contract, make):
    task, batch = make(contract), contract.batch()
    step(task, batch)  # a first step may also take statistics of the photos
    before = {name: weights_of(task, name) for name in (*contract.trained, *contract.frozen)}
    terms = step(task, batch)
    assert terms
    assert all(bool(torch.isfinite(term).all()) for term in terms.values())
    for name, weights in before.items():
        assert is_changed(task, name, weights) == (name in contract.trained), name


@pytest.mark.parametrize("contract", [case for case in CASES if case.values[0].falling is not None])
def test_one_batch_is_learned(contract, make):
    falling = contract.falling
    task, batch = make(contract, **falling.settings), contract.batch()
    terms = [float(task.step(batch)[falling.term]) for _ in range(falling.num_steps)]
    assert terms[-1] < falling.share * terms[0]


@pytest.mark.parametrize("contract", CASES)
def test_a_run_resumed_from_its_file_takes_the_same_steps_bit_for_bit(contract, make, tmp_path):
    whole, batch = make(contract), contract.batch()
    step(whole, batch)
    run_state.save_state(tmp_path, 1, {"task": whole.state_dict()})
    saved = run_state.load_latest_state(tmp_path)
    assert saved is not None
    resumed = make(contract)
    resumed.load_state_dict(saved["task"])
    assert_identical(resumed.state_dict(), whole.state_dict())
    if contract.resumes_exactly:
        for seed in (1, 2):
            assert_identical(step(resumed, batch, seed), step(whole, batch, seed))
        assert_identical(resumed.state_dict(), whole.state_dict())
    else:
        assert step(resumed, batch).keys()


@pytest.mark.parametrize("contract", CASES)
def test_the_export_loads_as_the_network_that_is_to_be_released(contract, make, tmp_path):
    task, batch = make(contract), contract.batch()
    for seed in (1, 2):
        step(task, batch, seed)
    task.export(tmp_path / "export")
    for name, expected in contract.exported(task).items():
        loaded = checkpoints.load(tmp_path / "export" / name, type(expected))
        assert loaded.arguments == expected.arguments
        tensors = expected.state_dict()
        for key, tensor in loaded.state_dict().items():
            # Kernels are stored with 16 or 8 bits a weight.
            atol = 0.01 * float(tensors[key].abs().max()) + 1e-6
            torch.testing.assert_close(tensor, tensors[key], rtol=2e-3, atol=atol, msg=key)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("layout_gan", layout_gan),
        ("projected_gan", projected_gan),
        ("texture_gan", texture_gan),
    ],
)
def test_a_gan_measures_its_samples_once_there_are_enough_photos(name, module, make, monkeypatch):
    monkeypatch.setattr(module, "NUM_MEASURED", 6)
    task, batch = make(CONTRACTS[name]), CONTRACTS[name].batch()  # four photos
    step(task, batch)
    assert task.measure() == {}
    step(task, batch)
    assert task.measure()["frechet"] > 0.0


@pytest.mark.parametrize("contract", CASES)
def test_half_precision_trains_to_about_the_terms_of_single_precision(contract, make):
    batch = contract.batch()
    terms, weights = {}, {}
    for precision in ("fp32", "bf16"):
        task = make(contract, precision=precision)
        before = {name: weights_of(task, name) for name in contract.trained}
        terms[precision] = step(task, batch)
        assert all(is_changed(task, name, start) for name, start in before.items())
        weights[precision] = [weights_of(task, name) for name in contract.trained]
    with pytest.raises(AssertionError):  # or bf16 was not used at all
        assert_identical(*weights.values())
    assert terms["bf16"].keys() == terms["fp32"].keys()
    for name in terms["fp32"].keys() - set(contract.below_rounding):
        expected = pytest.approx(float(terms["fp32"][name]), rel=0.1, abs=0.1)
        assert float(terms["bf16"][name]) == expected, name
