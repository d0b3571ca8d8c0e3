"""How every figure of the book looks: a codec's name and colour, the frame of a figure, axes for pictures.

A codec has the same name and colour in every figure; the colours (Okabe and Ito's) can be told apart by colour-blind
readers. The figures are closed for pyplot: a notebook shows them once, as the value of a cell or with `display`.
"""

from functools import wraps
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib import color_sequences
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

STYLE = {
    "figure.dpi": 140,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.5",
    "xtick.color": "0.3",
    "ytick.color": "0.3",
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "legend.frameon": False,
}
CODECS = {  # name in records: name in figures, colour
    "sccore": ("this codec", "#7B1FA2"),
    "wacnn": ("WACNN", "#0072B2"),
    "sftip": ("SFTIP", "#D55E00"),
    "sftip-interlaced": ("SFTIP, spatial context", "#A6761D"),
    "wacnn-interlaced": ("WACNN, spatial context", "#44BBDD"),
    "sftip-uniform": ("SFTIP, uniform prior", "#E69F00"),
    "sftip-structure": ("SFTIP, no text prior", "#CC79A7"),
    "sftip-sft": ("SFTIP with SFT & CB", "#009E73"),
    "sftip-mse": ("SFTIP trained by plain MSE", "#7F3C8D"),
    "cheng2020": ("cheng2020", "#56B4E9"),
    "ms2020": ("ms2020-2-Decoder", "#661100"),
    "Dec-Adapter (reconstruction)": ("Dec-Adapter (reconstruction)", "#6699CC"),
    "jpeg": ("JPEG", "#882255"),  # classical ones: Tol's muted colours, greys for those with a reference encoder
    "webp": ("WebP", "#AA4499"),
    "webp-colours": ("WebP of few colours", "#CC6677"),
    "jxl": ("JPEG XL", "#999933"),
    "avif": ("AVIF", "#117733"),
    "avif-plain": ("AVIF without screen tools", "#88BB66"),
    "hevc": ("HEVC", "#332288"),
    "bpg": ("BPG", "0.6"),
    "vtm": ("VTM", "0.4"),
    "vtm-scc": ("VTM, screen-content tools", "0.0"),
    "vtm-rgb": ("VTM, RGB", "#88CCEE"),
    "vtm-scc-rgb": ("VTM, screen-content tools, RGB", "#44AA99"),
}
SPARE = ("#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#0072B2", "#D55E00")  # of names not in CODECS, in order
SECOND = tuple(map(to_hex, color_sequences["tab20b"]))  # where those are used up
LABELS = {"bpp": "bpp (real file)", "psnr": "PSNR [dB], 8-bit RGB", "psnr_text": "text-region PSNR [dB], 8-bit RGB", "ms_ssim": "MS-SSIM"}


def styled(draw):
    """Draw in our style, and leave no figure open behind."""

    @wraps(draw)
    def styled(*args, **kwargs):
        with plt.rc_context(STYLE):
            figure = draw(*args, **kwargs)
        plt.close(figure)
        return figure

    return styled


def base(codec: str) -> str:
    """The codec whose name and colour one of a single rate shares: that of "sftip-tuned" is "sftip"."""
    return codec.removesuffix("-tuned").removesuffix("-fixed")


def title(codec: str) -> str:
    """A codec's name for readers: "sftip-uniform" is "SFTIP, uniform prior"."""
    known = base(codec)
    return CODECS.get(known, (known,))[0] + (" (one model a λ)" if known != codec else "")


def rank(codec: str) -> tuple:
    """Order of drawing: as in CODECS, then all others by name."""
    known = base(codec)
    return (list(CODECS).index(known) if known in CODECS else len(CODECS), codec)


def colours(names: list[str]) -> list[str]:
    """A colour a codec, the same in every figure; codecs that are not in CODECS take the spare ones in order."""
    known = {name: CODECS[base(name)][1] for name in names if base(name) in CODECS}
    spare = cycle([colour for colour in (*SPARE, *SECOND) if colour not in known.values()])
    return [known[name] if name in known else next(spare) for name in names]


@styled
def nothing(why: str) -> Figure:
    """An empty frame in place of a figure that cannot be drawn, with the reason."""
    figure, axes = image_axes((1, 4), 1, 1, width=5.6)
    axes.item().text(0.5, 0.5, why, ha="center", va="center", color="0.4", wrap=True)
    return figure


def image_axes(size, rows, columns, width=9):
    """Framed axes for pictures of `size` (H, W), in a figure `width` inches wide: (figure, axes (rows, columns))."""
    height = width / columns * size[0] / size[1] * rows
    figure, axes = plt.subplots(rows, columns, figsize=(width, height + 0.5 * rows), squeeze=False, layout="compressed")
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
        one.spines[:].set(visible=True, color="0.85")
    return figure, axes


def plain_log(axis) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5, written out."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())
