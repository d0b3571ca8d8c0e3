"""Files: any size, the same picture everywhere, nothing believed that was not checked."""

import json
import os
import subprocess
import sys
import time

import fuzz
import numpy as np
import pytest
import torch

import sccore
from sccore import attention, layers, sem, sftip
from sccore.codecs import checkpoint_files, container, sci, tensors
from sccore.evaluation.metrics import psnr
from sccore.utils import beside
from sccore.utils.errors import InputError

SIZES = [(1, 1), (33, 17), (480, 640)]


@pytest.mark.parametrize(
    "name, rate", [("wacnn", "variable"), ("sftip", "variable"), ("sftip", "fixed"), ("cheng2020", "variable"), ("ms2020", "fixed")]
)
@pytest.mark.parametrize("height, width", SIZES)
def test_round_trip_of_any_size(narrow, saved, screen, name, rate, height, width):
    model, _ = saved(name, rate)
    image, mask = screen(height, width)
    data = sci.encode(image, model, 0.0035, mask)
    decoded = sci.decode(data, model)
    assert decoded.shape == (height, width, 3) and decoded.dtype == np.uint8
    x_hat = sci.estimate(image, model, 0.0035, mask)["x_hat"]
    assert np.median(np.abs(decoded.astype(int) - x_hat)) <= 1  # the float path, up to fixed-point rounding


@pytest.mark.parametrize("name", ["wacnn", "sftip"])
def test_any_number_of_threads_writes_the_same_file_and_decodes_the_same_pixels(saved, screen, monkeypatch, name):
    """High enough for several strips and pieces of windows; and what is cut is the whole, to the last bit."""
    model, _ = saved(name)
    image, mask = screen(420, 300)
    files, images = [], []
    for threads in (1, 2, 3):
        monkeypatch.setattr(beside, "cores", lambda threads=threads: threads)
        torch.set_num_threads(threads)
        files.append(sci.encode(image, model, 0.0067, mask))
        images.append(sci.decode(files[0], model))
    torch.set_num_threads(1)
    for module in (sftip, sem, attention):
        monkeypatch.setattr(module, "in_strips", lambda function, maps, rows, halo: function(*maps))
    monkeypatch.setattr(attention, "WINDOWS", 10**9)
    monkeypatch.setattr(layers, "WIDE", 10**9)
    assert set(files) == {sci.encode(image, model, 0.0067, mask)}
    assert all(np.array_equal(sci.decode(files[0], model), picture) for picture in images)


OTHER = """
import os, sys, time
import numpy as np
from sccore.codecs import sci
from sccore.codecs.checkpoint import load_model
threads = lambda: len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 0
model, data, before = load_model(sys.argv[2]), open(sys.argv[1], "rb").read(), threads()
np.save(sys.argv[3], sci.decode(data, model, precision="float64"))
sci.encode(sci.decode(data, model), model, 0.0067)
until = time.monotonic() + 10  # a thread that was waited for is listed for a moment more
while threads() > before and time.monotonic() < until:
    time.sleep(0.01)
print(max(0, threads() - before))
"""


def test_in_float64_other_instructions_give_the_same_pixels(saved, screen, tmp_path):
    model, weights = saved("sftip")
    data = sci.encode(screen(128, 192)[0], model, 0.0067)
    (tmp_path / "x.sci").write_bytes(data)
    decoded = sci.decode(data, model, precision="float64")
    assert (decoded != sci.decode(data, model)).mean() < 1e-4  # random weights make every value 0 or 255
    env = os.environ | {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "16"}
    command = [sys.executable, "-c", OTHER, tmp_path / "x.sci", weights, tmp_path / "y.npy"]
    result = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE)
    assert result.stdout == b"0\n"  # no threads of torch that wait for each other at every operator
    assert np.array_equal(np.load(tmp_path / "y.npy"), decoded)
    assert next(model.parameters()).dtype == torch.float32 and np.array_equal(sccore.decode(data, model, precision="float64"), decoded)


@pytest.mark.parametrize("native", [True, False])
def test_in_bfloat16_pixels_are_off_by_a_few_levels_and_where_it_is_not_native_by_none(screen, monkeypatch, native):
    image = screen(128, 192)[0]
    data = sci.encode(image, model := sccore.load_model(checkpoint_files.DEFAULT), 0.0067)
    most = 0.1 if sci.native_bf16(torch.device("cpu")) else 0.2  # dB; emulated, sums are rounded otherwise
    monkeypatch.setattr(sci, "native_bf16", lambda device: native)
    finer, exact, near = (sci.decode(data, model, precision=name).astype(float) for name in ("float64", "float32", "bfloat16"))
    assert np.abs(finer - exact).max() <= 1
    off = np.abs(near - exact)
    assert (off > 0).any() == native and off.max() <= 16 and off.mean() < 0.6
    assert abs(psnr(near.astype(np.uint8), image) - psnr(exact.astype(np.uint8), image)) < most
    with pytest.raises(InputError, match="unknown precision 'float16'; known: float32, float64, bfloat16"):
        sci.decode(data, model, precision="float16")


def test_bfloat16_hardly_moves_the_latents(saved, screen):
    model, _ = saved("sftip")
    near = sci.analyse(screen(64, 128)[0], model, bf16=True)
    for y, exact in zip(near, sci.analyse(screen(64, 128)[0], model)):
        assert y.dtype == torch.float32 and (y - exact).std() < 0.02 * exact.std()


@pytest.mark.parametrize("name", ["sftip", "cheng2020", "ms2020"])
def test_what_drives_the_coder_is_the_same_bits_with_any_number_of_threads(narrow, saved, name):
    model, _ = saved(name)
    torch.manual_seed(0)
    y, z, level = 5 * torch.randn(1, model.y_ch, 8, 12), 3 * torch.randn(1, model.z_ch, 2, 3), model.level(0.01)
    strings = model.encode_latents(y, z, level)
    decoded = []
    for threads in (2, 1):
        torch.set_num_threads(threads)
        assert model.encode_latents(y, z, level) == strings
        decoded.append(model.decode_latents(strings, (2, 3), level))
    assert torch.equal(decoded[0][0], decoded[1][0]) and torch.equal(decoded[0][1], decoded[1][1])
    gain, inverse = model.exact_gain(model.gain_y, level)
    assert (decoded[0][0] - y).abs().max() < inverse.max() * 0.5 + 0.6  # a quantisation step and the lrp


def test_pixels_become_numbers_from_0_to_1_and_back(saved, screen):
    (image, mask), model = screen(30, 70), saved("wacnn")[0]
    x, m = tensors.to_tensors(image, mask, model)
    assert x.shape == (1, 3, 64, 128) and m.shape == (1, 1, 64, 128) and x.max() == image.max() / 255
    assert torch.equal(x[..., 30:, :], x[..., 29:30, :].expand(-1, -1, 34, -1))
    assert torch.equal(m[0, 0, :30, :70].bool(), torch.from_numpy(mask))
    assert np.array_equal(tensors.to_image(x, 30, 70), image)


def test_mask_and_lambda_change_the_file(saved, screen):
    model, _ = saved("sftip")
    image, mask = screen(128, 192)
    files = [sci.encode(image, model, *o) for o in ((0.0067, mask), (0.0067, ~mask), (0.025, mask), (0.0067, None))]
    assert len(set(files)) == 4 and len(files[2]) > len(files[0])


def test_header_says_what_the_file_is(saved, screen):
    model, _ = saved("wacnn")
    for lmbda, code in ((0.0067, 2), (0.01, 5)):
        data = sci.encode(screen(40, 50)[0], model, lmbda)
        file = container.unpack(data)
        assert data[:6] == b"SCI\x1a\x03" + bytes([code]) and file.identity.hex() == model.checkpoint_hash[:8]
        assert (file.width, file.height) == (50, 40) and file.lmbda == np.float32(lmbda)
        assert set(file.chunks) == {"y", "z"} and len(data) - sum(file.chunks.values()) == (17 if code == 2 else 21)


def test_every_damage_is_refused(saved, screen):
    model, _ = saved("wacnn")
    data = sci.encode(screen(64, 64)[0], model, 0.0067)
    for cut in (0, 3, 10, 20, len(data) - 1):
        with pytest.raises(InputError, match="damaged|not a .sci"):
            sci.decode(data[:cut], model)
    for at in range(0, len(data), 7):
        with pytest.raises(InputError):
            sci.decode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], model)
    for version, said in ((1, "sccore 0.1.0 reads it"), (2, "sccore 0.1.0 reads it"), (4, "a later sccore may read it")):
        with pytest.raises(InputError, match=f"version {version}, this decoder reads version 3; {said}"):
            sci.decode(data[:4] + bytes([version]) + data[5:], model)


@pytest.mark.parametrize(
    "width, height, lmbda, strings, message",
    [
        (0, 10, 0.0067, 0, "impossible lengths"),
        (8192, 8192, 0.0067, 0, "too short for a picture"),
        (8192, 8192, 0.0067, 8, "too short for a picture"),
        (640, 400, 0.0067, 8, "too short for a picture"),
        (65535, 65535, 0.0067, 10**6, "above the limit of 67108864"),
        (64, 64, float("nan"), 100, "lambda nan"),
        (64, 64, float("inf"), 100, "lambda inf"),
        (64, 64, -1.0, 100, "lambda -1"),
        (64, 64, 0.5, 100, "0.5 is outside"),
        (64, 64, 0.0067, 7, "too short|impossible length"),
        (64, 64, 0.0067, 1001, "impossible length"),
    ],
)
def test_headers_are_not_believed(saved, width, height, lmbda, strings, message):
    """A well-sealed file with impossible contents ends in an error, not in time and memory."""
    model, _ = saved("wacnn")
    string = bytes(range(1, 255)) * (strings // 254 + 1)
    identity = bytes.fromhex(model.checkpoint_hash)[: container.IDENTITY]
    data = container.pack(container.File(width, height, identity, lmbda, string[:strings], string[:strings]))
    begun = time.process_time()
    with pytest.raises(InputError, match=message):
        sci.decode(data, model)
    assert time.process_time() - begun < 0.1


def test_what_can_be_refused_without_weights_is(saved, screen, tmp_path, monkeypatch):
    big = container.pack(container.File(8192, 8192, bytes(4), 0.0067))
    with pytest.raises(InputError, match="too short"):
        sci.decode(big, tmp_path / "no such weights")
    model, path = saved("wacnn")
    data = sci.encode(screen(64, 96)[0], model, 0.0067)
    monkeypatch.setattr(container, "MOST_PIXELS", 64 * 95)
    with pytest.raises(InputError, match="64x96 pixels|96x64 pixels"):
        sci.decode(data, tmp_path / "no such weights")
    monkeypatch.setattr(container, "MOST_PIXELS", 64 * 96)
    assert sci.decode(data, path).shape == (64, 96, 3)


@pytest.mark.parametrize("filling", [b"\x00", b"\xff", b"\x5a\xa5\x13", b"\xff\xff\xff\x7f"])
def test_forged_strings_give_noise_or_one_line(saved, filling):
    """Sealed correctly, but written by no encoder: never read past the end, however long."""
    model, _ = saved("wacnn")
    identity = bytes.fromhex(model.checkpoint_hash)[: container.IDENTITY]
    for length in (0, 4, 8, 100, 1000, 10**6):
        string = (filling * length)[:length]
        try:
            assert sci.decode(container.pack(container.File(64, 40, identity, 0.0067, string, string)), model).shape == (40, 64, 3)
        except InputError as error:
            assert "damaged" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["wacnn", "sftip"])
def test_a_thousand_altered_files_do_no_harm(weights):
    """Each decodes or is refused in one line, in about a second of computing and 500 MB. More by hand: see tests/fuzz.py."""
    command = [sys.executable, fuzz.__file__, weights, "0", "4500", "500"]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stderr[-3000:]
    summary = json.loads(result.stdout)
    assert summary["slowest"] < 1.5 and sum(summary["ends"].values()) == 5000
    assert summary["ends"]["decoded"] > 50 and len(summary["ends"]) > 10


def test_no_numbers_end_in_one_line(saved, screen, monkeypatch):
    """An encoder that was given infinite symbols would not end."""
    model, _ = saved("wacnn")
    y, z = sci.analyse(screen(64, 64)[0], model)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="no finite numbers"):
            sci.encode(screen(64, 64)[0], model, 0.0067, latents=(y * bad, z))
    far = sci.encode(screen(64, 64)[0], model, 0.0067, latents=(y + 1e12, z - 1e12))
    assert sci.decode(far, model).shape == (64, 64, 3)
    monkeypatch.setattr(model, "analysis", lambda *_: torch.empty(2**60))
    with pytest.raises(InputError, match="too little memory for 64x64 pixels"):
        sci.encode(screen(64, 64)[0], model, 0.0067)


def test_weights_must_be_the_very_ones(saved, screen):
    data = sci.encode(screen(64, 64)[0], saved("wacnn")[0], 0.0067)
    with pytest.raises(InputError, match=f"needs weights {saved('wacnn')[0].checkpoint_hash[:8]}, not"):
        sci.decode(data, saved("sftip")[0])
    with pytest.raises(InputError, match="not at hand"):
        sci.decode(data)
    shipped = sccore.encode(screen(64, 64)[0], "sftip", fallback=False, detector="none")
    with pytest.raises(InputError, match=r"needs weights \w+ \(sftip.safetensors\), not \w+ \(sftip-interlaced.safetensors\)"):
        sccore.decode(shipped, sccore.load_model("sftip-interlaced"))
    with pytest.raises(InputError, match="from a checkpoint"):
        sci.encode(screen(64, 64)[0], sccore.create_model("wacnn"))


def test_lambda_must_fit_the_weights(saved, screen):
    image = screen(64, 64)[0]
    with pytest.raises(InputError, match="for lmbda 0.0035, not 0.01"):
        sci.encode(image, saved("sftip", "fixed")[0], 0.01)
    for wrong in (0.5, 0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="outside"):
            sci.encode(image, saved("wacnn")[0], wrong)
    with pytest.raises(InputError, match="needs lmbda"):
        sci.encode(image, saved("wacnn")[0])


def test_batches_are_coded_image_by_image(saved):
    model, _ = saved("wacnn")
    x = torch.rand(2, 3, 64, 64)
    coded = model.compress(x, lmbda=0.0067)
    assert len(coded["strings"]) == 2 and len(coded["strings"][0]) == 2
    x_hat = model.decompress(**coded, lmbda=0.0067)["x_hat"]
    alone = model.compress(x[1:], lmbda=0.0067)
    assert torch.allclose(model.decompress(**alone, lmbda=0.0067)["x_hat"], x_hat[1:], atol=0.02)
