"""The few types that everything else shares."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

#: Frames that follow each other (slices, time points), or unrelated images without an order.
Mode = Literal["stack", "flow"]

#: From the prompted frames to higher ones, to lower ones, or both.
Direction = Literal["both", "forward", "backward"]

#: True where the object is: bool ``(H, W)``.
Mask = npt.NDArray[np.bool_]

#: An array of any type and shape.
AnyArray = npt.NDArray[Any]
