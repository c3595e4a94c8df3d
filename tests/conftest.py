import os

# Small tests on small tensors: a second thread only waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")
