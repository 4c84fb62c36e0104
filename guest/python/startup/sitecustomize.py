"""Found by Python's own start-up through PYTHONPATH; see ../zygote.py. Returns only inside a sandbox, ready to run."""

import _cloche

_cloche.become_program()
