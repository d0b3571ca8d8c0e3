"""Sizes, shapes, names and switches of the models."""

import sccore.utils.torchvision_ops  # noqa: F401

# isort: split
import pytest
import torch
from compressai.models import Cheng2020Attention
from models import lively
from torch import nn

import sccore
from sccore.codecs.models import MODELS, RATES
from sccore.codecs.starts import warm_start
from sccore.codecs.zoo import count_parameters, create_model, kmac_per_pixel
from sccore.data.images import read_image
from sccore.presets import LAMBDAS
from sccore.sftip import steer
from sccore.symbols import encode_z, scale_indexes
from sccore.utils import paths
from sccore.utils.errors import InputError

PINNED = {  # counts known of the published models and of the paper's
    "wacnn": {
        "total": 75_235_779,
        "g_a": 6_928_528,
        "g_s": 6_928_211,
        "h_a": 3_319_040,
        "h_mean_s": 5_882_624,
        "h_scale_s": 5_882_624,
        "cc_mean_transforms": 15_212_640,
        "cc_scale_transforms": 15_212_640,
        "lrp_transforms": 15_857_760,
        "entropy_bottleneck": 11_712,
    },
    "sftip": {"total": 95_495_043, "fem": 4_448_064, "g_a": 12_438_544, "g_s": 12_438_227, "h_a": 8_110_208},
    "cheng2020": {"total": sum(p.numel() for p in Cheng2020Attention(192).parameters())},
}


@pytest.mark.parametrize("name", PINNED)
def test_paper_preset_has_the_pinned_parameters(name):
    counts = count_parameters(create_model(name, "paper"))
    assert counts["total"] == counts["trainable"] == PINNED[name]["total"]
    assert {k: counts["parts"][k] for k in PINNED[name] if k != "total"} | {"total": counts["total"]} == PINNED[name]
    assert sum(counts["parts"].values()) == counts["total"]


@pytest.mark.parametrize("name, kmac", [("wacnn", 525.4), ("sftip", 1385)])
def test_paper_preset_has_the_known_complexity(name, kmac):
    assert kmac_per_pixel(create_model(name, "paper")) == pytest.approx(kmac, rel=0.01)


@pytest.mark.parametrize("name, parameters", [("wacnn", 11_773_739), ("sftip", 16_960_699)])
def test_companion_has_the_pinned_parameters(name, parameters):
    assert count_parameters(create_model(name, rate="variable"))["total"] == parameters


def test_companions_of_other_systems_cost_about_as_much():
    wacnn = kmac_per_pixel(create_model("wacnn"))
    assert all(kmac_per_pixel(create_model(name)) == pytest.approx(wacnn, rel=0.25) for name in ("cheng2020", "ms2020"))


def test_a_tuned_model_begins_as_the_variable_rate_one_at_its_lambda():
    source = lively("wacnn", rate="variable")
    with torch.no_grad():
        source.gain_y.log_gain.add_(0.1 * torch.randn_like(source.gain_y.log_gain))
    x = torch.rand(1, 3, 64, 64)
    for lmbda in (0.0018, 0.005, 0.025):
        tuned = warm_start(create_model("wacnn", rate="tuned"), source, lmbda).eval()
        assert torch.allclose(tuned(x)["x_hat"], source(x, lmbda=lmbda)["x_hat"], atol=1e-4)


def test_names_of_wacnn_are_the_published_ones():
    names = set(create_model("wacnn", "paper").state_dict())
    for name in (
        "g_a.0.weight",
        "g_a.1.beta",
        "g_a.4.conv_a.0.conv.4.bias",
        "g_a.8.conv_b.0.attn.qkv.weight",
        "g_s.0.conv_b.0.attn.relative_position_bias_table",
        "g_s.5.conv_b.0.attn.relative_position_index",
        "g_s.8.weight",
        "g_a.4.conv_b.4.weight",
        "h_a.8.bias",
        "h_mean_s.2.0.weight",
        "h_scale_s.8.weight",
        "cc_mean_transforms.9.8.weight",
        "cc_scale_transforms.0.0.weight",
        "lrp_transforms.5.2.bias",
        "entropy_bottleneck.quantiles",
        "gaussian_conditional.scale_table",
    ):
        assert name in names
    assert not [
        n
        for n in names
        if n.split(".")[0]
        not in {
            "g_a",
            "g_s",
            "h_a",
            "h_mean_s",
            "h_scale_s",
            "cc_mean_transforms",
            "cc_scale_transforms",
            "lrp_transforms",
            "entropy_bottleneck",
            "gaussian_conditional",
        }
    ]


SWITCHES = [
    ("wacnn", {}),
    ("sftip", {}),
    ("sftip", {"sem": "sft"}),
    ("sftip", {"prior": "structure"}),
    ("sftip", {"prior": "uniform"}),
    ("sftip", {"laplacian": "signed"}),
    ("sftip", {"rate": "variable"}),
    *((name, {"rate": rate}) for name in ("cheng2020", "ms2020") for rate in RATES),
]


@pytest.mark.parametrize("name, switches", SWITCHES)
def test_forward_follows_compressai(name, switches):
    model = lively(name, **switches)
    lmbda = 0.0035 if switches.get("rate") == "variable" else None
    out = model(torch.rand(2, 3, 64, 128), torch.ones(2, 1, 64, 128), lmbda)
    assert out["x_hat"].shape == (2, 3, 64, 128)
    assert out["likelihoods"]["y"].shape == (2, model.y_ch, 4, 8)
    assert out["likelihoods"]["z"].shape == (2, model.z_ch, 1, 2)
    assert model.aux_loss() > 0


@pytest.mark.parametrize("name", MODELS)
def test_z_says_something_from_the_start(name):
    torch.manual_seed(0)
    image = read_image(paths.SAMPLES / "images" / "windows95.png")
    x = torch.from_numpy(image[:448, :640].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        _, z = create_model(name).analysis(x)
    assert z.round().std((0, 2, 3)).mean() > 0.5  # whatever it says, it is not a constant after rounding


def test_prior_switches_decide_what_the_encoder_sees():
    torch.manual_seed(0)
    x, masks = torch.rand(1, 3, 64, 64), (torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64))
    moves = lambda **switches: not torch.equal(*(lively("sftip", **switches).analysis(x, m)[0] for m in masks))
    assert moves() and moves(laplacian="signed")
    assert not moves(prior="structure") and not moves(prior="uniform")


def test_decoder_needs_nothing_but_decoded_data():
    model = lively("sftip")
    y, z = torch.randn(1, model.y_ch, 4, 4), torch.randn(1, model.z_ch, 1, 1)
    assert model.synthesis(y, z).shape == (1, 3, 64, 64)
    assert not torch.equal(model.synthesis(y, z), model.synthesis(y, z + 1))  # w comes from z_hat


@pytest.mark.parametrize("sem", ["nesft", "sft"])
@pytest.mark.parametrize("rate", ["fixed", "variable"])
def test_sftip_warm_started_from_wacnn_is_it(sem, rate):
    torch.manual_seed(1)
    wacnn = lively("wacnn", rate=rate)
    sftip = warm_start(create_model("sftip", sem=sem, rate=rate), wacnn).eval()
    x, mask = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    lmbda = None if rate == "fixed" else 0.01
    a, b = wacnn(x, mask, lmbda), sftip(x, mask, lmbda)
    assert torch.equal(a["x_hat"], b["x_hat"]) and torch.equal(a["likelihoods"]["y"], b["likelihoods"]["y"])


def test_level_is_geometric_between_lambdas():
    model = create_model("wacnn", rate="variable")
    assert model.level(LAMBDAS[0]).item() == 0 and model.level(LAMBDAS[-1]).item() == 4
    assert model.level((LAMBDAS[1] * LAMBDAS[2]) ** 0.5).item() == pytest.approx(1.5)
    for wrong in (0.001, 0.03, None):
        with pytest.raises(InputError, match="lmbda|0.0018"):
            model.level(wrong)


@pytest.mark.parametrize(
    "key, value", [("preset", "huge"), ("sem", "x"), ("prior", "text"), ("laplacian", "abs"), ("rate", "free"), ("name", "jpeg")]
)
def test_unknown_switches_are_named(key, value):
    with pytest.raises(InputError, match=f"unknown {key} '{value}'"):
        sccore.create_model(**{key: value})


@pytest.mark.parametrize("name", ["wacnn", "cheng2020", "ms2020"])
@pytest.mark.parametrize("switch", [{"sem": "sft"}, {"prior": "uniform"}, {"laplacian": "signed"}])
def test_switches_of_sftip_are_refused_elsewhere(name, switch):
    with pytest.raises(InputError, match=f"{next(iter(switch))} .* is a switch of sftip; {name} has no"):
        create_model(name, **switch)


@pytest.mark.parametrize("training", [True, False])
def test_bottleneck_likelihood_is_the_librarys(training):
    model = lively("wacnn").train(training)
    z = 3 * torch.randn(2, model.z_ch, 3, 5)
    torch.manual_seed(2)
    expected = model.entropy_bottleneck(z)[1]
    torch.manual_seed(2)
    assert torch.equal(model.bottleneck_likelihood(z), expected)


@torch.no_grad()
def test_z_is_the_same_in_training_and_in_a_file():
    torch.manual_seed(0)
    model = create_model("wacnn", rate="variable").eval()
    for gain in (model.gain_y, model.gain_z):
        for parameter in gain.parameters():
            parameter += 0.3 * torch.rand_like(parameter)
    model.entropy_bottleneck.quantiles += torch.randn(32, 1, 1)
    model.update(force=True)
    z, level = 3 * torch.randn(1, 32, 5, 3), torch.tensor([1.4], dtype=torch.float64)
    gain, _ = model.exact_gain(model.gain_z, level)
    string = encode_z(model.entropy_bottleneck, (z * gain).float())
    torch.testing.assert_close(model.code_z(z, level)[0], model._exact_z_hat(string, (5, 3), level).float(), rtol=0, atol=2e-3)


def test_indexes_are_the_librarys_for_scales_half_a_step_smaller():
    model = lively("wacnn")
    model.update(force=True)
    table = model.gaussian_conditional.scale_table.double()
    half = (table[1] / table[0]).sqrt()
    edges = [torch.nextafter(table * half, torch.tensor(to, dtype=torch.float64)) for to in (0, 1e9)]
    scales = torch.cat([*edges, table * half, table, torch.tensor([-1.0, 0, 1e9]), torch.randn(1000).double().exp()])
    assert scale_indexes(model.gaussian_conditional, scales).tolist() == model.gaussian_conditional.build_indexes(scales / half).tolist()


def test_steering_says_which_site_has_no_layer():
    net, sites = nn.Sequential(nn.Identity()), nn.ModuleDict({"0": nn.Bilinear(1, 1, 1), "7": nn.Bilinear(1, 1, 1)})
    x = torch.ones(2, 1)
    assert steer(net, x, sites, [x, None]).shape == x.shape
    with pytest.raises(ValueError, match="no layer is named 7"):
        steer(net, x, sites, [None, x])
    with pytest.raises(ValueError, match="shorter"):
        steer(net, x, sites, [x])


def test_a_class_of_ones_own_with_switches_is_made_by_its_name(monkeypatch):
    own = type("Own", (MODELS["sftip"],), {"switches": ("prior",)})
    monkeypatch.setitem(MODELS, "own", own)
    model = create_model("own", prior="structure")
    assert model.spec == {"name": "own", "preset": "companion", "prior": "structure", "rate": "fixed"} and not model.sees_mask
    assert create_model("own").sees_mask and not create_model("wacnn").sees_mask
    with pytest.raises(InputError, match="sem 'sft' is a switch of sftip; own has no sem"):
        create_model("own", sem="sft")
