"""The command line: one module per command."""

import os

# Threads that spin while they wait lose 20 times their speed when another job takes a core. Torch
# reads this on import, so it is set before the imports of the commands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
