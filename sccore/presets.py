"""Sizes of the networks: the paper's and the companion's; and the rates that both are trained for."""

from dataclasses import dataclass

LAMBDAS = (0.0018, 0.0035, 0.0067, 0.0130, 0.0250)  # Section 4.1
LMBDA = LAMBDAS[2]  # to code at, where none is asked for


@dataclass(frozen=True)
class Preset:
    """Channel counts; the topology is the same in every preset."""

    stages: tuple[int, int, int]  # g_a behind its first three convolutions, g_s in reverse
    M: int  # y, in ten slices
    hyper: tuple[int, ...]  # h_a after its first convolution's input; the last is z
    cc: tuple[int, ...]  # slice networks
    prior: int  # FEM's output
    hidden: int  # NESFT's shared part
    stem: tuple[int, ...]  # first stages of FEM
    cheng: tuple[int, int]  # N and M of cheng2020
    ms: int  # N of ms2020
    heads: int = 8
    centred: bool = False  # g_a sees 2 x - 1 and g_s answers in kind


PRESETS = {
    "paper": Preset((192, 192, 192), 320, (320, 288, 256, 224, 192), (224, 176, 128, 64), 64, 128, (256, 128), (192, 192), 192),
    # As many coefficients as the paper's. Narrow where the maps are large, which is where the time goes; few heads, for
    # attention over 64 positions took much of a step; centred, for screens are mostly white.
    "companion": Preset((32, 64, 128), 320, (64, 56, 48, 40, 32), (48, 32, 24), 16, 32, (16, 16), (48, 80), 64, heads=2, centred=True),
}
