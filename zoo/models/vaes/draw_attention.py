"""DRAW with attention: each step writes a patch of 5 x 5 at a window that it places on the canvas.

Generative process: that of `draw`, with c_t = c_{t-1} + F_Y^T w_t F_X / strength, where the patch
w_t and the window's five numbers are affine in h_t. Its usual guide `recurrent` reads the picture,
and what the canvas lacks of it, through a window of 2 x 2 filters that it places itself.

Shapes: those of `draw`; x (rows, height * width).
Source: Gregor, Danihelka, Graves, Rezende and Wierstra (2015), DRAW: A recurrent neural network
for image generation, ICML, section 3.2.
Departs from the paper: see `zoo.models.vaes.draw`.

Nothing is known exactly.
"""

from torch import nn

from zoo.data import Data
from zoo.models.parts import Parts
from zoo.models.vaes.draw import drawn

WINDOW = 5  # side of the patch that a step writes


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """DRAW with attention of these parts, with fresh parameters; `groups` has a size a step.

    Raises:
        ValueError: if a part does not suit the data or another part, or the data are no pictures.
    """
    return drawn(data, parts, WINDOW)
