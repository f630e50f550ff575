"""How many threads compute: PyTorch's and NumPy's, decided at one place."""

import torch
from threadpoolctl import threadpool_limits


def use(count: int) -> None:
    """Let each library compute with ``count`` threads from now on."""
    torch.set_num_threads(count)
    threadpool_limits(limits=count, user_api="blas")
