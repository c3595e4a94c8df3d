import itertools

import pytest

from stylecinegan.data.sampler import CounterSampler, picture_of


def take(count, **options):
    return list(itertools.islice(CounterSampler(4, **options), count))


def test_one_process_counts_every_sample():
    assert take(6) == [0, 1, 2, 3, 4, 5]


def test_two_processes_share_each_global_batch():
    assert take(6, rank=0, world_size=2) == [0, 1, 4, 5, 8, 9]
    assert take(6, rank=1, world_size=2) == [2, 3, 6, 7, 10, 11]


def test_counting_goes_on_from_a_position():
    assert take(2, rank=1, world_size=2, position=8) == [10, 11]


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiple of the 3 processes, got 4"):
        CounterSampler(4, world_size=3)


def test_every_epoch_shows_every_picture_once_in_an_order_of_its_own():
    epochs = [[picture_of(50 * epoch + i, 50, seed=1) for i in range(50)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != [picture_of(i, 50, seed=2) for i in range(50)]
