"""The command line: one module per command."""

import os

# Threads that busy-wait run 20 times slower when another job takes a core, and waste cores that an
# encoder or a browser could use. PyTorch reads this on import, which is after that of this package.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
