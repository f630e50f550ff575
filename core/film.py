"""Pictures one after another, as an mp4 file that browsers and W&B play."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from core.errors import UserError


def write_mp4(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> int:
    """Encode ``frames`` ``[H, W, 3]``, all of one size, as they come; returns how many there were.

    The file appears whole or not at all. H.264 wants even sizes: an odd edge is repeated.

    Raises:
        UserError: there are no frames, or the file cannot be written.
    """
    partial, writer, count = path.with_name(f".{path.name}.partial.mp4"), None, 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for frame in frames:
            even = np.pad(frame, [(0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)], "edge")
            if writer is None:
                writer = _writer(partial, even.shape[1], even.shape[0], fps)
            writer.send(np.ascontiguousarray(even))
            count += 1
        if writer is None:
            raise UserError(f"nothing to film: {path} was not written")
        writer.close()
        partial.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or str(error).splitlines()[0]}") from None
    finally:
        if writer is not None:
            writer.close()
        partial.unlink(missing_ok=True)
    return count


def _writer(path: Path, width: int, height: int, fps: float) -> Any:
    """A coroutine that takes frames and writes the file when it is closed."""
    writer = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=fps, macro_block_size=1, ffmpeg_log_level="error"
    )
    writer.send(None)
    return writer
