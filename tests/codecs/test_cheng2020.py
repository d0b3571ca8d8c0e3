"""The serial context model, decoded in fronts."""

import sccore.utils.torchvision_ops  # noqa: F401

# isort: split
import pytest
import torch
from compressai.models import Cheng2020Attention
from models import lively

from sccore.codecs.cheng2020 import REACH, fronts
from sccore.codecs.zoo import create_model


@pytest.mark.parametrize("height, width", [(1, 1), (4, 4), (3, 11), (9, 2)])
def test_a_front_finds_its_whole_context_decoded(height, width):
    done = torch.zeros(height, width, dtype=torch.bool)
    for rows, columns in fronts(height, width, "cpu"):
        for i, j in zip(rows.tolist(), columns.tolist()):
            earlier = [
                (a, b)
                for a in range(max(0, i - REACH), i + 1)
                for b in range(max(0, j - REACH), min(width, j + REACH + 1))
                if (a, b) < (i, j)
            ]
            assert all(done[a, b] for a, b in earlier) and not done[i, j]
        done[rows, columns] = True
    assert done.all()


def test_layers_are_the_librarys():
    """With the library's weights, the library's y, x_hat and Gaussians."""
    torch.manual_seed(0)
    model, library = create_model("cheng2020", "paper").eval(), Cheng2020Attention(192).eval()
    state = {k: v for k, v in library.state_dict().items() if not k.startswith(("gaussian_conditional", "entropy_bott"))}
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        y, z = model.analysis(x)
        torch.testing.assert_close(y, library.g_a(x))
        torch.testing.assert_close(model.synthesis(y, z), library.g_s(y))
        side, y_hat = model.h_s(z.round()), y.round()
        mu, sigma = model.predict(model, side, torch.nn.functional.pad(y_hat, 4 * (REACH,)))
        params = library.entropy_parameters(torch.cat([library.h_s(z.round()), library.context_prediction(y_hat)], dim=1))
        torch.testing.assert_close(torch.cat([sigma, mu], dim=1), params)


def test_what_is_decoded_in_fronts_is_what_is_predicted_at_once():
    """In evaluation y_hat of the serial loop and y_hat of the parallel prediction from it agree."""
    model = lively("cheng2020", rate="variable")
    y, z, level = 3 * torch.randn(2, model.y_ch, 8, 12), torch.randn(2, model.z_ch, 2, 3), model.level([0.0018, 0.02])
    gain, inverse = (g.float() for g in model.gain_y(level))
    with torch.no_grad():
        y_hat, z_hat, likelihoods = model.code_latents(y, z, level)
        rounded = lambda part, mu, sigma: ((part(y) - mu) * part(gain)).round() * part(inverse)
        serial = model.decode_parts(model, z_hat, rounded)
    assert (y_hat - serial).abs().median() < 1e-4 and likelihoods["y"].shape == y.shape
    assert ((y_hat - y).abs() <= 0.5 * inverse + 1e-4).all()
