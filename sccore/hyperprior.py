"""What all learned codecs here share: transforms around a hyperprior, and rates. :mod:`sccore.exact_coding` makes strings of them.

The hyperprior is Ballé et al.'s (ICLR 2018). How y is predicted part by part is the subclass's: channel slices in
:mod:`sccore.entropy`, positions in :mod:`sccore.codecs.cheng2020`.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from abc import ABC, abstractmethod
from typing import Callable

import numpy as np
import torch
from compressai.entropy_models import EntropyBottleneck, GaussianConditional
from compressai.ops import quantize_ste
from torch import Tensor

from sccore.exact_coding import ExactCoding
from sccore.gains import GainUnits, UnitGain
from sccore.utils.beside import side_by_side
from sccore.utils.errors import InputError

Residual = Callable[..., Tensor]  # see Hyperprior.decode_parts


class Hyperprior(ExactCoding, ABC):
    """A learned codec with the interface of CompressAI. Subclasses bring g_a, g_s, h_a and the networks of `drivers`.

    ::

        x ──► g_a ──► y ──► parts ──► y_hat ──► g_s ──► x_hat
                      └──► h_a ──► z ──► gain ──► Q ──► inverse gain ──► z_hat ──► what the parts are predicted from

    Args:
        y_ch, z_ch: channels of y and z.
        centred: g_a sees 2 x - 1 and g_s answers in kind.
    """

    stride = 64  # height and width are multiples of it: z is at H/64
    predictors: tuple[str, ...] = ()  # names of the networks that predict y part by part
    encoder: tuple[str, ...] = ("g_a", "h_a")  # names of what a decoder does not need
    switches: tuple[str, ...] = ()  # further arguments of the class, of sccore.codecs.models.SWITCHES
    sees_mask = False  # whether the analysis looks at the text mask

    def __init__(self, y_ch: int, z_ch: int, centred: bool):
        super().__init__()
        self.y_ch, self.z_ch, self.centred = y_ch, z_ch, centred
        self.entropy_bottleneck = EntropyBottleneck(z_ch)
        self.gaussian_conditional = GaussianConditional(None)
        self.spec: dict[str, str] = {}  # what create_model was asked for
        self.meta: dict = {}  # of the checkpoint: steps, recipe ...
        self.checkpoint_hash = None

    def set_rates(self, lambdas: tuple[float, ...] | None):
        """The rates of a variable-rate model, ascending, or None for a model of one rate."""
        self.lambdas = lambdas
        initial = [(l / lambdas[len(lambdas) // 2]) ** 0.5 for l in lambdas or ()]  # step ~ 1 / sqrt(lambda)
        self.gain_y = GainUnits(self.y_ch, initial) if lambdas else UnitGain()
        self.gain_z = GainUnits(self.z_ch, [1.0] * len(initial)) if lambdas else UnitGain()

    def analysis(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, 3, H, W) in [0, 1] -> y (B, M, H/16, W/16), z (B, Z, H/64, W/64). Baselines ignore the mask."""
        y = self.g_a(2 * x - 1 if self.centred else x)
        return y, self.h_a(y)

    def synthesis(self, y_hat: Tensor, z_hat: Tensor) -> Tensor:
        """y_hat -> x_hat (B, 3, H, W), not clamped."""
        x_hat = self.g_s(y_hat)
        return (x_hat + 1) / 2 if self.centred else x_hat

    @abstractmethod
    def decode_parts(self, nets, z_hat: Tensor, residual: Residual) -> Tensor:
        """The one definition of how y is decoded part by part; encoding runs it too.

        Args:
            nets: where the networks are taken from: this model, or its fixed-point copies.
            z_hat: (B, Z, H/64, W/64).
            residual: called with (part, mu, sigma): `part` takes what belongs to a part out of y or a gain, mu and
                sigma describe it. Returns the decoded residual r * inverse gain: in training it quantises and
                collects likelihoods, in encoding it also writes symbols, in decoding it reads them. A part with a spatial
                context (:mod:`sccore.context`) gives it as the fourth.

        Returns:
            y_hat, (B, M, H/16, W/16).
        """

    @abstractmethod
    def code_latents(self, y: Tensor, z: Tensor, level: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Quantisation and likelihoods for training and estimation: y_hat, z_hat and {"y", "z"} likelihoods."""

    def level(self, lmbda: Tensor | float | None, device=None) -> Tensor:
        """Position of lambda (scalar or (B,)) among the model's rates, geometric in between: (1,) or (B,)."""
        if self.lambdas is None:
            return torch.zeros(1, dtype=torch.float64, device=device)
        if lmbda is None:
            raise InputError(f"a variable-rate model needs lmbda, from {self.lambdas[0]} to {self.lambdas[-1]}")
        lmbda = np.atleast_1d(np.asarray(lmbda.cpu() if isinstance(lmbda, Tensor) else lmbda, dtype=np.float64))
        slack = 1e-6  # lambdas may have passed through float32
        if not ((lmbda >= self.lambdas[0] * (1 - slack)) & (lmbda <= self.lambdas[-1] * (1 + slack))).all():  # NaN is outside, too
            wrong = ", ".join(f"{value:g}" for value in lmbda)
            raise InputError(f"lmbda {wrong} is outside the model's {self.lambdas[0]} to {self.lambdas[-1]}")
        level = np.interp(np.log(lmbda), np.log(self.lambdas), np.arange(len(self.lambdas)))
        return torch.tensor(level, device=device)

    def fits(self, x: Tensor):
        """Refuses images (B, 3, H, W) of other sides than the multiples of `stride`."""
        if x.shape[-2] % self.stride or x.shape[-1] % self.stride:
            size = f"{x.shape[-1]}x{x.shape[-2]}"
            raise InputError(f"a model takes sides that are multiples of {self.stride}, not {size}; sccore.encode takes any")

    def forward(self, x: Tensor, mask: Tensor | None = None, lmbda: Tensor | float | None = None, level: Tensor | None = None) -> dict:
        """CompressAI's convention: {"x_hat": (B, 3, H, W), "likelihoods": {"y", "z"}}, and y_hat beside them.

        Args:
            x: images in [0, 1], (B, 3, H, W), height and width multiples of `stride`.
            mask: text mask (B, 1, H, W) in {0, 1}, or None for 1 everywhere.
            lmbda: the rate of a variable-rate model, scalar or (B,).
            level: in its stead its position among the model's rates, (B,) float64, already on the device.
        """
        self.fits(x)
        y, z = self.analysis(x, mask)
        level = self.level(lmbda, x.device) if level is None else level
        with torch.autocast(x.device.type, enabled=False):  # what is coded is never in bfloat16
            y_hat, z_hat, likelihoods = self.code_latents(y.float(), z.float(), level)
        return {"x_hat": self.synthesis(y_hat, z_hat), "likelihoods": likelihoods, "y_hat": y_hat}

    @torch.no_grad()
    def compress(self, x: Tensor, mask: Tensor | None = None, lmbda: float | None = None) -> dict:
        """{"strings": [[y of each image], [z of each image]], "shape": size of z}."""
        self.fits(x)
        y, z = self.analysis(x, mask)
        level = self.level(lmbda, x.device)
        pairs = [self.encode_latents(y[i : i + 1], z[i : i + 1], level) for i in range(len(x))]
        return {"strings": [list(s) for s in zip(*pairs)], "shape": tuple(z.shape[-2:])}

    @torch.no_grad()
    @side_by_side()
    def decompress(
        self,
        strings: list[list[bytes]],
        shape: tuple[int, int],
        lmbda: float | None = None,
        synthesis: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> dict:
        """{"x_hat": (B, 3, H, W) in [0, 1]} from what :meth:`compress` gave; `synthesis` in the place of the model's."""
        synthesis = synthesis or self.synthesis
        level = self.level(lmbda, next(self.parameters()).device)
        x_hat = []
        for pair in zip(*strings):
            y_hat, z_hat = self.decode_latents(list(pair), shape, level)
            x_hat.append(synthesis(y_hat.float(), z_hat.float()).clamp_(0, 1))
        return {"x_hat": torch.cat(x_hat)}

    def code_z(self, z: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """z_hat, rounded straight through, and the likelihood of z."""
        gain, inverse = (g.to(z.dtype) for g in self.gain_z(level))
        likelihood = self.bottleneck_likelihood(z * gain)
        median = self.entropy_bottleneck.quantiles[:, 0, 1].detach()[:, None, None]
        return (quantize_ste(z * gain - median) + median) * inverse, likelihood

    def bottleneck_likelihood(self, z: Tensor) -> Tensor:
        """What EntropyBottleneck's forward gives for z (B, Z, h, w), without its waits for the device."""
        bottleneck, channels_first = self.entropy_bottleneck, z.transpose(0, 1)
        values = channels_first.reshape(self.z_ch, 1, -1)
        values = bottleneck.quantize(values, "noise" if self.training else "dequantize", bottleneck._get_medians())
        likelihood = bottleneck.likelihood_lower_bound(bottleneck._likelihood(values)[0])
        return likelihood.reshape(channels_first.shape).transpose(0, 1)

    def aux_loss(self) -> Tensor:
        """What trains the quantiles of the entropy bottleneck, as in CompressAI."""
        return self.entropy_bottleneck.loss()

    @property
    def checkpoint_hash(self) -> str | None:
        """The sha256 of its checkpoint, by which a file names its weights; None if there is none, or they have changed since."""
        return self._hash if self._hash and self.mark() == self._loaded else None

    @checkpoint_hash.setter
    def checkpoint_hash(self, sha256: str | None):
        self._hash, self._loaded = sha256, self.mark() if sha256 else None

    def load_state_dict(self, state_dict, strict: bool = True, assign: bool = False):
        """PyTorch's; the coder's tables, which are empty in a new model, take the size that they have in the file."""
        self.checkpoint_hash = self._exact = None
        for name, table in self.named_buffers():
            if not table.numel() and name in state_dict:
                table.resize_(state_dict[name].shape)
        return super().load_state_dict(state_dict, strict, assign)
