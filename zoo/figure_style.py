"""One style for every picture: colours that the colour-blind can tell apart, sizes, and files.

The same guide, objective or metric looks the same in every picture: ask :func:`looks`. A picture
is written as PNG for the screen and as SVG for print, by :func:`save_figure`.

Source: the colours are those of Okabe & Ito 2008, without their yellow, which is too pale for
lines on white.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zlib import crc32

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.typing import LineStyleType

from zoo.files import write_whole

BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, BLACK = "#56B4E9", "#CC79A7", "#000000"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, BLACK)
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "h", "p")
LINES: tuple[LineStyleType, ...] = (
    *("-", "--", ":", "-."),
    *((0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)), (0, (3, 3)), (0, (8, 2, 1, 2))),
    (0, (5, 1, 1, 3)),
)
GREY, PALE = "0.45", "0.9"
DPI = 160
LETTER, HANDLE = 0.072, 0.5  # inches that a letter of a legend takes, and its line

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.rcsetup.cycler(color=PALETTE),
    "grid.color": PALE,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "errorbar.capsize": 2.5,
    "legend.frameon": False,
    "svg.hashsalt": "zoo",  # the same picture gives the same file
}
in_style = mpl.rc_context(STYLE)  # of a function that draws: @in_style

# Columns are the colours of PALETTE, lines are markers and dashes. What is often drawn together
# differs in colour: then families share a colour, and how rows share the guide is in the dashes.
GUIDE_LOOKS = (
    (
        *("amortised_normal", "amortised_full_rank", "amortised_iaf", "amortised_planar"),
        *("amortised_householder", "amortised_sylvester", "amortised_naf"),
    ),
    (
        *("mean_field", "full_rank", "iaf", "amortised_spline"),
        *("amortised_fixed_scale", "shared", "product_of_experts"),
    ),
    (
        *("per_datum", "per_datum_full_rank", "per_datum_iaf", "bottom_up"),
        *("top_down", "ladder", "uniform_noise"),
    ),
    (
        *("amortised_discrete", "amortised_layers", "relaxed", "straight_through"),
        *("gumbel_rao", "gumbel_softmax", "empty"),
    ),
    (
        *("hamiltonian", "amortised_von_mises_fisher", "amortised_hamiltonian", "amortised_point"),
        *("amortised_wrapped_normal", "amortised_power_spherical", "recurrent"),
    ),
    (
        *("coordinate_ascent", "amortised_plackett_luce", "amortised_matching", "gumbel_sinkhorn"),
        *("mean_field+amortised_normal", "annealed", "sinkhorn_straight_through"),
    ),
    (
        *(
            "full_rank+conditioned_normal",
            "full_rank+amortised_normal",
            "conditioned_normal",
            "amortised_recurrent",
            "semi_supervised",
            "semi_amortised",
            "diffusion",
        ),
    ),
    (
        *("low_rank", "block_diagonal", "student_t", "mixture"),
        *("laplace", "pathfinder", "multi_pathfinder"),
    ),
    (
        *("planar", "realnvp", "spline", "naf"),
        *("structured", "asvi", "score_matched"),
    ),
    ("amortised_mallows", "", "", "", "", "", ""),
)
OBJECTIVE_LOOKS = (
    ("trace", "iwae", "rloo", "reinforce", "wake_sleep", "vimco", "enumerate"),
    ("double_cv", "disarm", "trace_graph", "rodeo", "arms", "relax", "layer_sum"),
    ("stl", "rws", "local_sum", "reinforce_average", "forward_kl", "renyi", "nvil"),
    ("free_bits", "dreg", "arm", "muprop", "rebar", "vr_max", "measure_valued"),
    ("tvo", "miwae", "ciwae", "piwae", "vimco_geometric", "tail_adaptive", "u2g"),
    ("info_vae", "wae", "aae", "flow_gan", "flow_gan_adversarial", "cd", "pcd"),
    ("pcd_rloo", "vae_gan", "", "", "", "classified", ""),
    ("cubo", "tvo_upper", "gdreg", "path", "stratified", "", ""),
    ("disarm_tree", "unordered_set", "msc", "", "", "", ""),
)
METRIC_LOOKS = (
    ("elbo", "", "", "", "", "", "exact_log_evidence"),
    ("encoder", "", "", "iwae_10", "", "", ""),
    ("kl", "decoder", "iwae_100", "iwae_5", "", "", ""),
    ("", "log_evidence", "iwae_50", "mutual_information", "", "", ""),
)
PROGRAM_LOOKS = (
    ("zoo compiled", "", "", "", "", "", ""),
    ("", "", "", "NumPyro", "", "", ""),
    ("", "", "Pyro's SVI.step", "", "", "", ""),
)


@dataclass(frozen=True)
class Look:
    """How a thing is drawn.

    Attributes:
        colour: as hexadecimal number.
        marker: of its points.
        line: the dashes of its line.
    """

    colour: str
    marker: str
    line: LineStyleType

    @property
    def keywords(self) -> dict[str, Any]:
        """For `plot` and `errorbar`."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line}


ALL = tuple(
    Look(colour, marker, line)
    for marker, line in zip(MARKERS, LINES, strict=True)
    for colour in PALETTE
)
KNOWN = {
    name: ALL[len(PALETTE) * row + column]
    for table in (GUIDE_LOOKS, OBJECTIVE_LOOKS, METRIC_LOOKS, PROGRAM_LOOKS)
    for row, names in enumerate(table)
    for column, name in enumerate(names)
    if name
}


def looks(names: Iterable[str]) -> dict[str, Look]:
    """The look of each thing in a picture; no two are alike.

    The zoo's own guides, objectives, estimators and metrics have fixed looks; "rloo 5" is drawn
    as "rloo". Others take one that follows from their name, or the next that is free.

    Args:
        names: of the things in one picture.

    Raises:
        ValueError: for more things than there are looks.
    """
    wanted = list(dict.fromkeys(names))
    if len(wanted) > len(ALL):
        raise ValueError(
            f"Expected at most {len(ALL)} things in one picture; got {len(wanted)}. Draw fewer."
        )
    found = dict[str, Look]()
    for name in wanted:
        own = KNOWN.get(name) or KNOWN.get(name.partition(" ")[0])
        if own is not None and own not in found.values():
            found[name] = own
    for name in wanted:
        if name not in found:
            found[name] = _free(name, set(found.values()))
    return {name: found[name] for name in wanted}


def _free(name: str, taken: set[Look]) -> Look:
    """A look that is not taken, if possible in a colour that is not taken either."""
    first = crc32(name.encode()) % len(PALETTE)
    turned = [
        ALL[row + (first + i) % len(PALETTE)]
        for row in range(0, len(ALL), len(PALETTE))
        for i in range(len(PALETTE))
    ]
    colours = {look.colour for look in taken}
    fresh = [look for look in turned if look.colour not in colours]
    return next(look for look in [*fresh, *turned] if look not in taken)


def look_of(name: str) -> Look:
    """The look of one thing; see :func:`looks`."""
    return looks([name])[name]


def legend_above(picture: Picture, axes: Iterable[Axes], *, title: str | None = None) -> None:
    """One legend for several axes, above all of them, where it covers nothing.

    Args:
        picture: with constrained layout.
        axes: whose lines are named; each name is shown once.
        title: of the legend.
    """
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    if found:
        picture.legend(
            list(found.values()),
            list(found),
            loc="outside upper center",
            ncols=_columns(list(found), picture.get_figwidth()),
            title=title,
        )


def _columns(names: Sequence[str], width: float) -> int:
    """As many columns as fit in so many inches, evenly filled."""
    fit = max(1, int(width / (LETTER * max(map(len, names)) + HANDLE)))
    lines = -(-len(names) // fit)
    return -(-len(names) // lines)


def save_figure(picture: Picture, path: str | Path, *, dpi: int = DPI) -> tuple[Path, Path]:
    """Writes a picture as PNG and, beside it, as SVG, each whole.

    Args:
        picture: what is written; pyplot forgets it.
        path: of the PNG; the SVG's name ends in .svg instead.
        dpi: points an inch of the PNG, and of pictures of pixels in the SVG.

    Returns:
        The two paths.
    """
    path = Path(path).with_suffix(".png")
    vector = write_whole(path.with_suffix(".svg"), svg(picture, dpi=dpi))
    return write_whole(path, png(picture, dpi=dpi)), vector


def png(picture: Picture, *, dpi: int = DPI) -> bytes:
    """The picture as PNG; pyplot forgets it."""
    file = BytesIO()
    picture.savefig(file, format="png", dpi=dpi)
    plt.close(picture)
    return file.getvalue()


@in_style
def svg(picture: Picture, *, dpi: int = DPI) -> str:
    """The picture as SVG, the same text for the same picture; pyplot forgets it."""
    text = StringIO()
    picture.savefig(text, format="svg", dpi=dpi, metadata={"Date": None})
    plt.close(picture)
    return text.getvalue()


def shown_once(picture: Picture) -> Picture:
    """The picture; in a notebook, which shows what a cell returns, pyplot forgets it.

    Otherwise the notebook would show it twice: as a result, and as an open figure of pyplot.
    """
    if "inline" in plt.get_backend():
        plt.close(picture)
    return picture
