"""Inverse autoregressive flow (IAF) as a density: quick draws, slow densities of given rows.

The networks read the noise and not the data: a draw takes one pass through each. The density of a
row that is given needs its noise, which must be found one number after the other: D passes through
each network, for each gradient too. That is why IAF serves as a guide, where only its own draws
are scored, and MAF, its mirror image, as a density. Take tables of few columns here.

Generative process, for each row n, with a step's order first to last or last to first in turn:
    u ~ N(0, I_D)
    v_i = exp(a_i(u_<i)) * u_i + m_i(u_<i),   all numbers at once; `depth` times
    x = the units of the data of v

    log p(x) = log N(u; 0, I) - sum over steps of sum_i a_i(u_<i) - log |det| of the units

The Jacobian is triangular with diagonal exp(a). The inverse is closed, and sequential:
u_i = (v_i - m_i(u_<i)) * exp(-a_i(u_<i)).

Shapes: x (rows, D); each network D -> hidden -> 2 D, masked.
Source: Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016), Improving variational
inference with inverse autoregressive flow, NeurIPS.
Departs from the paper: a density of data, and no guide; exp(a) in the place of a sigmoid gate.
"""

from torch import nn

from zoo.data import Data
from zoo.models.flows.autoregressive import AutoregressiveFlow
from zoo.models.flows.frame import frame_of


def from_data(data: Data) -> nn.Module:
    """An inverse autoregressive flow for these data, in their units, with fresh parameters.

    Raises:
        ValueError: for rows of one number, grey levels, or a column that is constant.
    """
    return AutoregressiveFlow(data.features, frame=frame_of(data), reads_noise=True)
