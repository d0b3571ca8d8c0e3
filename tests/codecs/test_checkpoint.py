"""Checkpoints say what they are, survive the way to disk and back, and refuse what does not fit."""

import copy

import numpy as np
import pytest
import torch
from models import lively

import sccore
from sccore.codecs import checkpoint, checkpoint_files, sci, starts
from sccore.training.begin import check_given
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import file_hash, replacing


@pytest.mark.parametrize("name", ["sftip", "sftip-interlaced"])
def test_a_decoder_alone_is_smaller_and_gives_the_same_pixels(screen, name):
    whole, half = (sccore.load_model(name, decoder=decoder) for decoder in (False, True))
    size = lambda model: sum(p.numel() for p in model.parameters())
    assert size(half) < 0.7 * size(whole) and half.checkpoint_hash == whole.checkpoint_hash
    data = sci.encode(screen(64, 96)[0], whole, 0.0067)
    assert np.array_equal(sci.decode(data, half), sci.decode(data, whole))
    with pytest.raises(InputError, match="for decoding alone"):
        sci.encode(screen(64, 96)[0], half, 0.0067)
    with pytest.raises(InputError, match="g_a is missing"):
        sccore.save_model(half, "nowhere.safetensors")


def test_round_trip_keeps_spec_meta_weights_and_tables(saved):
    model, path = saved("sftip", "variable")
    again = sccore.load_model(path)
    assert again.spec == {
        "name": "sftip",
        "preset": "companion",
        "sem": "nesft",
        "prior": "text+structure",
        "laplacian": "magnitude",
        "rate": "variable",
    }
    assert again.meta["sccore"] == sccore.__version__ and again.checkpoint_hash == file_hash(path)
    original = lively("sftip", rate="variable").state_dict()
    for name, value in again.state_dict().items():
        if name not in dict(again.named_parameters()) or name.endswith("quantiles"):
            continue
        part = name.split(".")[0]
        if part.startswith(("gain", "entropy")) or name.endswith(("beta", "gamma")):
            assert torch.equal(value, original[name]), name
        elif value.ndim == 4 and part in (*again.drivers, "fem", "sem_a", "sem_s", "sem_h"):  # eight bits
            step = original[name].abs().amax((1, 2, 3), keepdim=True) / 127
            assert ((value - original[name]).abs() <= 0.501 * step).all(), name
        else:
            assert torch.equal(value, original[name].half().float()), name
    assert again.gaussian_conditional.quantized_cdf.numel() and not again.training
    assert again.aux_loss() < 0.01 * lively("sftip", rate="variable").aux_loss()  # quantiles are exact in the file


def test_numbers_of_numpy_are_kept_and_what_is_no_number_is_one_line(tmp_path):
    model = sccore.create_model("wacnn")
    path = sccore.save_model(model, tmp_path / "mine.safetensors", lmbda=np.float32(0.5), steps=np.int64(3), rates=np.arange(2))
    meta = sccore.load_model(path).meta
    assert (meta["lmbda"], meta["steps"], meta["rates"]) == (0.5, 3, [0, 1])
    with pytest.raises(InputError, match="what JSON can hold, not Generator"):
        sccore.save_model(model, path, rng=np.random.default_rng())


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99"])
def test_a_device_that_is_none_or_not_here_is_one_line(device):
    with pytest.raises(InputError, match=f"^(unknown device '{device}'; known: cpu, cuda|{device}: no GPU)"):
        sccore.load_model(device=device)


def test_weights_that_have_diverged_are_not_saved(tmp_path):
    model = sccore.create_model("wacnn")
    with torch.no_grad():
        model.h_mean_s[0].weight.fill_(torch.nan)
    with pytest.raises(InputError, match="x.safetensors: not written, the weights are too large or not finite"):
        sccore.save_model(model, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="wacnn: weights too large for exact sums"):
        sccore.fit(model, "screens", tmp_path / "run", lmbda=0.0067)
    assert not list(tmp_path.iterdir())


def test_a_compact_file_is_less_than_half_as_large_and_keeps_bounds(saved, tmp_path):
    model, path = saved("wacnn", "fixed")
    full = checkpoint.save_model(model, tmp_path / "full.safetensors", compact=False)
    assert path.stat().st_size < 0.47 * full.stat().st_size
    assert model.gaussian_conditional.likelihood_lower_bound.bound.item() == pytest.approx(1e-9)


def test_warm_start_needs_a_source_that_fits(saved):
    with pytest.raises(InputError, match="cannot start"):
        starts.warm_start(sccore.create_model("wacnn", rate="variable"), saved("sftip", "variable")[0])
    target = starts.warm_start(sccore.create_model("sftip", rate="variable"), saved("wacnn", "variable")[0])
    assert target.meta["history"][-1]["sha256"] == saved("wacnn", "variable")[0].checkpoint_hash


def test_fixed_rate_starts_from_a_variable_rate_near_its_middle(saved):
    source = saved("wacnn", "variable")[0]
    fixed = starts.warm_start(sccore.create_model("wacnn", rate="fixed"), source).eval()
    x = torch.rand(1, 3, 64, 64)
    middle, low = (source(x, lmbda=source.lambdas[i])["likelihoods"]["y"].log().sum() for i in (2, 0))
    own = fixed(x)["likelihoods"]["y"].log().sum()
    assert torch.isclose(own, middle, rtol=0.05) and not torch.isclose(own, low, rtol=0.05)


@pytest.mark.parametrize(
    "damage, message", [(lambda b: b"", "damaged"), (lambda b: b[: len(b) // 2], "damaged"), (lambda b: b"PK" + b, "damaged")]
)
def test_damaged_checkpoints_are_named(saved, tmp_path, damage, message):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(damage(saved("wacnn", "fixed")[1].read_bytes()))
    with pytest.raises(InputError, match=f"bad.safetensors: {message}"):
        sccore.load_model(path)


def test_what_a_kill_leaves_is_taken_for_no_file(tmp_path):
    with replacing(tmp_path / "a.safetensors") as part:
        part.write_bytes(b"half a file")
        assert not list(tmp_path.glob("*.safetensors"))
    assert (tmp_path / "a.safetensors").read_bytes() == b"half a file" and len(list(tmp_path.iterdir())) == 1


def test_missing_and_foreign_files_are_named(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(InputError, match="no such checkpoint"):
        sccore.load_model(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a sccore checkpoint"):
        sccore.load_model(tmp_path / "other.safetensors")


def test_weights_that_contradict_the_header_are_refused(saved, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = saved("wacnn", "fixed")[1]
    with safe_open(path, "pt") as file:
        state = {k: file.get_tensor(k) for k in file.keys()} | {"g_a.0.weight": torch.zeros(2, 2)}
        save_file(state, tmp_path / "x.safetensors", file.metadata())
    with pytest.raises(InputError, match="do not fit the model"):
        sccore.load_model(tmp_path / "x.safetensors")


def rewritten(path, target, change, header=None):
    """A copy of a checkpoint with other tensors, and another header if one is given."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, "pt") as file:
        state = {k: file.get_tensor(k) for k in file.keys()}
        save_file(state | change(state), target, {"sccore": header} if header is not None else file.metadata())
    return target


CDF, LENGTH = "entropy_bottleneck._quantized_cdf", "entropy_bottleneck._cdf_length"


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {"g_s.1.weight": s["g_s.1.weight"] * float("nan")},
        lambda s: {"h_mean_s.0.weight.scale": s["h_mean_s.0.weight.scale"] * 1e9},
        lambda s: {"h_mean_s.0.weight.scale": torch.ones(3)},
        lambda s: {CDF: s[CDF].flip(1)},
        lambda s: {CDF: s[CDF][:, :2].contiguous()},
        lambda s: {CDF: s[CDF].float() / 2},
        lambda s: {CDF: torch.zeros(10**6, 2, dtype=torch.int32)},
        lambda s: {LENGTH: s[LENGTH] + 1000},
        lambda s: {checkpoint.LENGTHS: s[checkpoint.LENGTHS] - 5},
        lambda s: {checkpoint.LENGTHS: s[checkpoint.LENGTHS].float()},
        lambda s: {
            checkpoint.LENGTHS: torch.tensor([1] * 9000 + [9000], dtype=torch.int32),
            checkpoint.TABLE: torch.zeros(18000, dtype=torch.int32),
        },
        lambda s: {checkpoint.TABLE: s[checkpoint.TABLE].flip(0)},
        lambda s: {"gaussian_conditional.scale_table": -s["gaussian_conditional.scale_table"]},
        lambda s: {"gaussian_conditional._offset": s["gaussian_conditional._offset"] * 10**9},
        lambda s: {"no such layer": torch.zeros(1)},
    ],
)
def test_hostile_weights_are_one_line(saved, tmp_path, change):
    path = rewritten(saved("wacnn", "fixed")[1], tmp_path / "x.safetensors", change)
    with pytest.raises(InputError, match="x.safetensors: weights do not fit") as caught:
        sccore.load_model(path)
    assert "\n" not in str(caught.value)


def test_an_index_in_the_file_is_not_used(saved, tmp_path):
    name = "g_a.4.conv_b.0.attn.relative_position_index"
    path = rewritten(saved("wacnn", "fixed")[1], tmp_path / "x.safetensors", lambda s: {name: s[name] + 10**9})
    assert sccore.load_model(path).state_dict()[name].max() < 1000


@pytest.mark.parametrize(
    "header",
    [
        "[",
        "[" * 100000,
        "3",
        "{}",
        '{"format": "sccore-3"}',
        '{"format": "sccore-3", "spec": 3, "meta": {}}',
        '{"format": "sccore-3", "spec": {"name": "wacnn", "x": 1}, "meta": {}}',
        '{"format": "sccore-3", "spec": {"name": []}, "meta": {}}',
        '{"format": "sccore-3", "spec": {"name": "wacnn"}, "meta": {"lmbda": "x"}}',
        '{"format": "sccore-3", "spec": {"name": "wacnn"}, "meta": {"history": 5}}',
        '{"format": "sccore-3", "spec": {"name": "wacnn"}, "meta": {"history": [{"recipe": 1}]}}',
        '{"format": "sccore-3", "spec": {"name": "wacnn"}, "meta": {}, "base": ""}',
        '{"format": "sccore-3", "spec": {"name": "wacnn"}, "meta": {}, "base": 3}',
        '{"format": "sccore-3", "spec": {"name": "wacnn", "preset": "paper", "rate": "fixed"}, "meta": {}}',
    ],
)
def test_hostile_headers_are_one_line(saved, tmp_path, header):
    path = rewritten(saved("wacnn", "fixed")[1], tmp_path / "x.safetensors", lambda s: {}, header)
    with pytest.raises(InputError, match="x.safetensors: ") as caught:
        sccore.load_model(path)
    assert "\n" not in str(caught.value)


def test_a_codec_that_is_not_registered_is_named(saved, tmp_path):
    header = '{"format": "sccore-3", "spec": {"name": "own"}, "meta": {}}'
    path = rewritten(saved("wacnn", "fixed")[1], tmp_path / "x.safetensors", lambda s: {}, header)
    with pytest.raises(InputError, match="of a codec 'own', which is not known here; its class belongs into sccore.codecs.models.MODELS"):
        sccore.load_model(path)


def test_a_header_s_length_is_not_believed(saved, tmp_path):
    for length in (2**63 - 1, 2**40, 99_000_000, 0):
        (tmp_path / "x.safetensors").write_bytes(length.to_bytes(8, "little") + saved("wacnn", "fixed")[1].read_bytes()[8:])
        with pytest.raises(InputError, match="x.safetensors: damaged"):
            sccore.load_model(tmp_path / "x.safetensors")


def test_published_wacnn_file_loads(tmp_path):
    """A generated file of the published form: names of the release, square index tables, old bottleneck names."""
    source = lively("wacnn")
    state = dict(source.state_dict())
    for name in [n for n in state if n.endswith("relative_position_index")]:
        side = round(state[name].numel() ** 0.5)
        state[name] = state[name].view(side, side)
    for i in range(5):
        for new, old in (("matrices", "_matrix"), ("biases", "_bias"), ("factors", "_factor")):
            if f"entropy_bottleneck.{new}.{i}" in state:
                state[f"entropy_bottleneck.{old}{i}"] = state.pop(f"entropy_bottleneck.{new}.{i}")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "wacnn.pth.tar")
    model = starts.load_published(sccore.create_model("wacnn"), tmp_path / "wacnn.pth.tar").eval()
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(model(x)["x_hat"], source(x)["x_hat"])
    assert model.compress(x)["strings"]
    (tmp_path / "junk.pth").write_bytes(np.random.default_rng(0).bytes(100))
    with pytest.raises(InputError, match="not readable as tensors"):
        starts.load_published(sccore.create_model("wacnn"), tmp_path / "junk.pth")


def published_shapes(N=192, M=320, heads=8) -> dict[str, tuple]:
    """Names and shapes of a published WACNN checkpoint, written down from its layers, not taken from ours."""
    shapes = {}

    def conv(name, out_ch, in_ch, k):
        shapes.update({f"{name}.weight": (out_ch, in_ch, k, k), f"{name}.bias": (out_ch,)})

    def deconv(name, in_ch, out_ch):
        shapes.update({f"{name}.weight": (in_ch, out_ch, 5, 5), f"{name}.bias": (out_ch,)})

    def gdn(name):
        shapes.update({f"{name}.beta": (N,), f"{name}.gamma": (N, N)})
        for part in ("beta", "gamma"):
            shapes.update({f"{name}.{part}_reparam.{b}": (1,) for b in ("pedestal", "lower_bound.bound")})

    def wam(name, c, w):
        for unit in (*(f"conv_a.{i}" for i in range(3)), *(f"conv_b.{i}" for i in (1, 2, 3))):
            for i, out_ch, in_ch, k in ((0, c // 2, c, 1), (2, c // 2, c // 2, 3), (4, c, c // 2, 1)):
                conv(f"{name}.{unit}.conv.{i}", out_ch, in_ch, k)
        conv(f"{name}.conv_b.4", c, c, 1)
        attention = f"{name}.conv_b.0.attn"
        shapes.update(
            {f"{attention}.relative_position_bias_table": ((2 * w - 1) ** 2, heads), f"{attention}.relative_position_index": (w * w, w * w)}
        )
        for layer, out_ch in (("qkv", 3 * c), ("proj", c)):
            shapes.update({f"{attention}.{layer}.weight": (out_ch, c), f"{attention}.{layer}.bias": (out_ch,)})

    for i, (out_ch, in_ch) in {0: (N, 3), 2: (N, N), 5: (N, N), 7: (M, N)}.items():
        conv(f"g_a.{i}", out_ch, in_ch, 5)
    for i, (in_ch, out_ch) in {1: (M, N), 3: (N, N), 6: (N, N), 8: (N, 3)}.items():
        deconv(f"g_s.{i}", in_ch, out_ch)
    for name in ("g_a.1", "g_a.3", "g_a.6", "g_s.2", "g_s.4", "g_s.7"):
        gdn(name)
    for name, c, w in (("g_a.4", N, 8), ("g_a.8", M, 4), ("g_s.0", M, 4), ("g_s.5", N, 8)):
        wam(name, c, w)
    for i, out_ch, in_ch in ((0, 320, 320), (2, 288, 320), (4, 256, 288), (6, 224, 256), (8, 192, 224)):
        conv(f"h_a.{i}", out_ch, in_ch, 3)
    for name in ("h_mean_s", "h_scale_s"):
        for i, out_ch, in_ch in (("0", 192, 192), ("2.0", 4 * 224, 192), ("4", 256, 224), ("6.0", 4 * 288, 256), ("8", 320, 288)):
            conv(f"{name}.{i}", out_ch, in_ch, 3)
    for name, more in (("cc_mean", 0), ("cc_scale", 0), ("lrp", 1)):
        for i in range(10):
            widths = (320 + 32 * (min(i, 5) + more), 224, 176, 128, 64, 32)
            for j in range(5):
                conv(f"{name}_transforms.{i}.{2 * j}", widths[j + 1], widths[j], 3)
    filters = (1, 3, 3, 3, 3, 1)
    for i in range(5):
        shapes[f"entropy_bottleneck._matrix{i}"] = (192, filters[i + 1], filters[i])
        shapes[f"entropy_bottleneck._bias{i}"] = (192, filters[i + 1], 1)
        if i < 4:
            shapes[f"entropy_bottleneck._factor{i}"] = (192, filters[i + 1], 1)
    tables = lambda name, n, longest: {
        f"{name}._offset": (n,),
        f"{name}._cdf_length": (n,),
        f"{name}._quantized_cdf": (n, longest),
        f"{name}.likelihood_lower_bound.bound": (1,),
    }
    shapes |= tables("entropy_bottleneck", 192, 77) | tables("gaussian_conditional", 64, 3133)
    return shapes | {
        "entropy_bottleneck.target": (3,),
        "entropy_bottleneck.quantiles": (192, 1, 3),
        "gaussian_conditional.scale_table": (64,),
        "gaussian_conditional.scale_bound": (1,),
        "gaussian_conditional.lower_bound_scale.bound": (1,),
    }


def test_published_names_and_shapes_load_at_the_papers_size(tmp_path):
    """Every tensor holds one number of its own, seen again in the model; the file keeps that number alone."""
    state, kinds = {}, ("relative_position_index", "_offset", "_cdf_length", "_quantized_cdf")
    for i, (name, shape) in enumerate(published_shapes().items()):
        whole = name.endswith(kinds)
        state[name] = torch.tensor(0 if whole else 1e-6 * (i + 1), dtype=torch.int32 if whole else torch.float32).expand(shape)
    state["entropy_bottleneck.quantiles"] = torch.tensor([-10.0, 0.0, 10.0]).expand(192, 1, 3)
    torch.save(state, path := tmp_path / "published.pth")
    assert path.stat().st_size < 1e6
    model = starts.load_published(sccore.create_model("wacnn", "paper"), path)
    loaded = dict(model.named_parameters())
    assert sum(v.numel() for v in loaded.values()) == 75_235_779
    for name in ("g_a.0.weight", "g_a.4.conv_b.0.attn.qkv.weight", "g_s.8.bias", "lrp_transforms.9.8.weight"):
        assert (loaded[name] == state[name]).all()
    assert (loaded["entropy_bottleneck.matrices.2"] == state["entropy_bottleneck._matrix2"]).all()
    assert model.checkpoint_hash and model.gaussian_conditional.cdf_length.min() > 0  # tables are made anew

    wrong = {**state, "g_a.0.weight": state["g_a.0.weight"][:100]}
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(InputError, match="wrong.pth: not a WACNN checkpoint .*g_a.0.weight"):
        starts.load_published(sccore.create_model("wacnn", "paper"), tmp_path / "wrong.pth")


def test_find_prefers_the_fixed_rate_and_says_what_is_shipped(tmp_path, monkeypatch, saved):
    from sccore.utils import paths

    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    with pytest.raises(InputError, match="shipped: none"):
        checkpoint_files.find("wacnn")
    for name, rate in (("wacnn-0.0035", "fixed"), ("wacnn", "variable"), ("wacnn-base", "variable")):
        (tmp_path / f"{name}.safetensors").write_bytes(saved("wacnn", rate)[1].read_bytes())
    assert checkpoint_files.find("wacnn", 0.0035).stem == "wacnn-0.0035"
    assert checkpoint_files.find("wacnn", 0.0067).stem == checkpoint_files.find("wacnn").stem == "wacnn"
    with pytest.raises(InputError, match="shipped: wacnn-0.0035, wacnn-base, wacnn"):
        checkpoint_files.find("sftip")


def test_a_model_that_was_trained_on_or_took_other_weights_is_no_longer_its_checkpoint(screen):
    model, image = sccore.load_model("wacnn"), screen(64, 64)[0]
    x = torch.rand(1, 3, 64, 64)
    assert model.train().eval().checkpoint_hash and copy.deepcopy(model).double().checkpoint_hash
    sccore.rate_distortion(model(x, lmbda=0.0067), x, None, 0.0067)["loss"].backward()
    with torch.no_grad():
        model.g_a[0].weight += model.g_a[0].weight.grad
    with pytest.raises(RuntimeError, match="call update"):
        model.compress(x, lmbda=0.0067)
    model.update(force=True)
    assert model.compress(x, lmbda=0.0067)["strings"] and model.checkpoint_hash is None
    with pytest.raises(InputError, match="save the model and load it"):
        sccore.encode(image, model, detector="none", fallback=False)
    with pytest.raises(InputError, match="save the model and load it"):
        sccore.evaluate(model, paths.SAMPLES / "images", progress=False)
    other = sccore.load_model("wacnn")
    other.load_state_dict(model.state_dict())
    assert other.checkpoint_hash is None
    with pytest.raises(RuntimeError, match="call update"):
        other.compress(x, lmbda=0.0067)


@pytest.mark.parametrize("put_in", ["averaged", "in place of .data", "through half precision"])
def test_weights_that_are_put_in_unseen_by_pytorch_s_count_are_seen(put_in):
    model = sccore.load_model("wacnn")
    if put_in == "averaged":
        vector = torch.nn.utils.parameters_to_vector(model.parameters())
        torch.nn.utils.vector_to_parameters(1.01 * vector, model.parameters())
    elif put_in == "in place of .data":
        for p in model.parameters():
            p.data.mul_(1.01)
    else:
        model.half().float()
    assert model.checkpoint_hash is None
    with pytest.raises(RuntimeError, match="call update"):
        model.compress(torch.rand(1, 3, 64, 64), lmbda=0.0067)


def test_a_copy_that_is_trained_on_wants_update_and_update_makes_all_tables_anew():
    model, x = lively("wacnn"), torch.rand(1, 3, 64, 64)
    model.update()
    was, twin = model.entropy_bottleneck.quantized_cdf.clone(), copy.deepcopy(model)
    with torch.no_grad():
        twin.entropy_bottleneck.quantiles.mul_(3)  # fewer changes than the first one had seen
    with pytest.raises(RuntimeError, match="call update"):
        twin.compress(x, lmbda=0.0067)
    twin.update()
    assert twin.entropy_bottleneck.quantized_cdf.shape != was.shape and twin.compress(x, lmbda=0.0067)["strings"]


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda model: model.g_s.__setitem__(2, torch.nn.LeakyReLU()), "g_s.2 is LeakyReLU(.*), in a sftip it is GDN"),
        (lambda model: model.g_a.append(torch.nn.Conv2d(320, 320, 1)), "g_a.9 is Conv2d.*, in a sftip it is missing"),
        (lambda model: setattr(model, "prior", "uniform"), "prior is uniform, in a sftip it is text.structure"),
        (lambda model: model.set_context(), "gaussian_conditional is ShiftedGaussian.*, in a sftip it is GaussianConditional"),
    ],
)
def test_a_model_that_is_no_longer_what_it_says_is_neither_trained_nor_saved(change, said, tmp_path):
    model = sccore.create_model("sftip")
    change(model)
    for use in (lambda: sccore.save_model(model, tmp_path / "x.safetensors"), lambda: check_given(model, 0.0067, sccore.Recipe())):
        with pytest.raises(InputError, match=said):
            use()
    assert not list(tmp_path.iterdir())


def test_sides_that_do_not_fit_are_one_line():
    with pytest.raises(InputError, match="multiples of 64, not 100x64; sccore.encode takes any"):
        sccore.load_model("wacnn")(torch.rand(1, 3, 64, 100), lmbda=0.0067)
