"""Masked autoregressive flow (MAF): steps in which each number is normal given those before it.

One masked network reads the whole row and gives every number its mean and scale, from the numbers
before it alone. The density takes one pass through each network; a draw takes D passes through
each, since a number must be there before the next one's mean is known. IAF is the mirror image.

Generative process, for each row n, with a step's order first to last or last to first in turn:
    u ~ N(0, I_D)
    v_i = (u_i - m_i(v_<i)) * exp(-a_i(v_<i)),   one number after the other; `depth` times
    x = the units of the data of v

    log p(x) = log N(u; 0, I) + sum over steps of sum_i a_i(v_<i) - log |det| of the units

where u_i = exp(a_i) * v_i + m_i is read off v in one pass: its Jacobian is triangular with
diagonal exp(a). The inverse, a draw, is closed, and sequential.

Shapes: x (rows, D); each network D -> hidden -> 2 D, masked.
Source: Papamakarios, Pavlakou and Murray (2017), Masked autoregressive flow for density
estimation, NeurIPS.
Departs from the paper: no batch normalisation between steps; a and m are those of u given v, and
not of v given u, which is the same family.
"""

from torch import nn

from zoo.data import Data
from zoo.models.flows.autoregressive import AutoregressiveFlow
from zoo.models.flows.frame import frame_of


def from_data(data: Data) -> nn.Module:
    """A masked autoregressive flow for these data, in their units, with fresh parameters.

    Raises:
        ValueError: for rows of one number, grey levels, or a column that is constant.
    """
    return AutoregressiveFlow(data.features, frame=frame_of(data), reads_noise=False)
