import threading

import torch

from stylecinegan.threads import thread_pool


def test_each_thread_has_its_cores_and_the_caller_keeps_its_own():
    before = torch.get_num_threads()
    both = threading.Barrier(2)

    def look():
        both.wait(10)  # so that neither thread does the work of both
        return threading.current_thread().name, torch.get_num_threads()

    with thread_pool(2, "half", num_cores=1) as pool:
        assert torch.get_num_threads() == before
        found = [future.result() for future in (pool.submit(look), pool.submit(look))]
        later = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
    assert sorted(found) == [("half_0", 1), ("half_1", 1)]
    assert later == [before]


def test_work_that_has_not_begun_is_cancelled_when_its_pool_ends():
    begun, go_on = threading.Event(), threading.Event()

    def work():
        begun.set()
        return go_on.wait(10)

    with thread_pool(1, "one") as pool:
        first, second = pool.submit(work), pool.submit(work)
        assert begun.wait(10)
        threading.Timer(0.1, go_on.set).start()
    assert first.result() is True
    assert second.cancelled()
