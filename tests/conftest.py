"""Every test: one torch thread, and no road to the network through W&B."""

import os

# Before torch or wandb are imported: they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in [name for name in os.environ if name.startswith("WANDB_")]:
    del os.environ[name]
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"
os.environ["WANDB_ERROR_REPORTING"] = "false"
# A key in ~/.netrc would count as one; nothing listens on the discard port.
os.environ["NETRC"] = os.devnull
os.environ["WANDB_BASE_URL"] = "http://127.0.0.1:9"

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    """A test's own draws do not depend on which tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_shared_wandb() -> None:
    """What an earlier test's wandb left for children to share may be dead by now: commands start their own."""
    os.environ.pop("WANDB_SERVICE", None)
