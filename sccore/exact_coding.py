"""Latents as strings that decode to the same numbers on any machine.

What drives the entropy coder runs in exact arithmetic, :mod:`sccore.fixed_point`: encoder and decoder then agree on every table
that a symbol is coded with. The coder is CompressAI's rANS.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
import math
from array import array
from types import SimpleNamespace

import torch
from compressai.ans import BufferedRansEncoder, RansDecoder
from torch import Tensor, nn

from sccore import rans
from sccore.context import Context, Where, at_once
from sccore.fixed_point import fixed_point, half_tanh, to_grid
from sccore.symbols import decode_z, encode_z, tables_for, tables_of
from sccore.utils.beside import side_by_side
from sccore.utils.errors import InputError
from sccore.winograd import Joined

SCALES = torch.exp(torch.linspace(math.log(0.11), math.log(256), 64))  # of the Gaussians that there are tables for, as in CompressAI


class ExactCoding(nn.Module):
    """The two ends of the entropy coder; :class:`sccore.hyperprior.Hyperprior` brings what they need: entropy models, gains and `decode_parts`."""

    drivers: tuple[str, ...]  # names of all networks that drive the entropy coder
    _exact: SimpleNamespace | None = None  # their fixed-point copies

    def mark(self) -> tuple[int, bytes]:
        """What changes with its weights: PyTorch's count of changes in place and, where others are put in behind its back, some values."""
        weights = list(self.parameters())
        some = [p.detach()[(0,) * (p.ndim - 1)][:8] for p in weights[::8]]
        return sum(p._version for p in weights), torch.cat(some).double().cpu().numpy().tobytes()

    def update(self, scale_table: Tensor | None = None, force: bool = False, update_quantiles: bool = False) -> bool:
        """Builds the coder's tables (as in CompressAI) and the fixed-point copies of the networks that drive it.

        What it built of other weights is built anew; tables that came with a checkpoint are kept unless `force`.
        """
        force |= self._exact is not None and self.mark() != self._updated
        updated = self.entropy_bottleneck.update(force=force, update_quantiles=update_quantiles)
        updated |= self.gaussian_conditional.update_scale_table(SCALES if scale_table is None else scale_table, force=force)
        copies = {name: fixed_point(getattr(self, name)) for name in self.drivers}
        self._exact, self._updated = SimpleNamespace(**copies, half_tanh=half_tanh, grid=to_grid, join=Joined), self.mark()
        return updated

    def exact_gain(self, unit: nn.Module, level: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(map(to_grid, unit(level)))

    def encode_latents(self, y: Tensor, z: Tensor, level: Tensor) -> list[bytes]:
        """The strings of :meth:`code_exactly`."""
        return self.code_exactly(y, z, level)[0]

    @torch.no_grad()  # exact numbers have no gradient, and threads must not track one
    @side_by_side()
    def code_exactly(self, y: Tensor, z: Tensor, level: Tensor) -> tuple[list[bytes], tuple[Tensor, Tensor]]:
        """One image's y (1, M, h, w) and z (1, Z, h/4, w/4) as two rANS strings; and what :meth:`decode_latents` will make of these.

        Raises:
            InputError: they are not finite.
        """
        self._require_update()
        if not (y.isfinite().all() and z.isfinite().all()):
            raise InputError("these weights make no finite numbers of this image")
        gain_z, _ = self.exact_gain(self.gain_z, level)
        gain_y, inverse_y = self.exact_gain(self.gain_y, level)
        z_string = encode_z(self.entropy_bottleneck, (z * gain_z).float().clamp(-rans.LARGEST, rans.LARGEST))
        symbols, indexes = [], []

        def residual(part, mu: Tensor, sigma: Tensor, context: Context = at_once) -> Tensor:
            gain, inverse = part(gain_y), part(inverse_y)
            r = ((part(y) - mu) * gain).round()

            def code(where: Where, mean: Tensor | None, scale: Tensor) -> Tensor:
                shift, index = tables_for(self.gaussian_conditional, mean, scale)
                symbol = (where(r) - shift).clamp(-rans.LARGEST, rans.LARGEST)
                symbols.extend(symbol.int().flatten().tolist())
                indexes.extend(index)
                return symbol + shift

            return to_grid(context(mu * gain, sigma * gain, code)[0] * inverse)

        z_hat = self._exact_z_hat(z_string, z.shape[-2:], level)
        y_hat = self.decode_parts(self._exact, z_hat, residual)
        encoder = BufferedRansEncoder()
        encoder.encode_with_indexes(symbols, indexes, *tables_of(self.gaussian_conditional))
        return [encoder.flush(), z_string], (y_hat, z_hat)

    @torch.no_grad()
    @side_by_side()
    def decode_latents(self, strings: list[bytes], shape: tuple[int, int], level: Tensor, **parts) -> tuple[Tensor, Tensor]:
        """The inverse of :meth:`encode_latents`: y_hat and z_hat, float64 on the grid; `parts` as of the subclass's `decode_parts`.

        Raises:
            InputError: no encoder has written these strings for a z of this shape; found before memory is taken for it.
        """
        self._require_update()
        (y_string, z_string), positions = strings, shape[0] * shape[1]
        rans.require(y_string, positions * 16 * self.y_ch * rans.least_bits(self.gaussian_conditional.quantized_cdf).min().item())
        gain_y, inverse_y = self.exact_gain(self.gain_y, level)
        decoder = RansDecoder()
        decoder.set_stream(rans.fenced(y_string, positions * 16 * self.y_ch))
        tables = tables_of(self.gaussian_conditional)

        def residual(part, mu: Tensor, sigma: Tensor, context: Context = at_once) -> Tensor:
            gain, inverse = part(gain_y), part(inverse_y)

            def code(where: Where, mean: Tensor | None, scale: Tensor) -> Tensor:
                shift, index = tables_for(self.gaussian_conditional, mean, scale)
                symbol = decoder.decode_stream(index, *tables)
                return torch.frombuffer(array("i", symbol), dtype=torch.int32).to(scale).view_as(scale) + shift

            return to_grid(context(mu * gain, sigma * gain, code)[0] * inverse)

        z_hat = self._exact_z_hat(z_string, shape, level)
        return self.decode_parts(self._exact, z_hat, residual, **parts), z_hat

    def _exact_z_hat(self, z_string: bytes, shape, level: Tensor) -> Tensor:
        _, inverse_z = self.exact_gain(self.gain_z, level)
        return to_grid(decode_z(self.entropy_bottleneck, z_string, shape).to(inverse_z.device) * inverse_z)

    def _require_update(self):
        if self._exact is None or self.mark() != self._updated:
            raise RuntimeError("call update() before compress or decompress, and again after training or loading weights")
