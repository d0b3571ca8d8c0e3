"""The table of `--effort`, from a record of known gains."""

import json

from sccore.paper import effort
from sccore.utils import paths


def test_the_table_says_what_is_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert effort.gains() == "not recorded yet" and effort.verdicts() == ["not recorded yet"]
    share = {0: 1.0, 2: 0.9, 4: 0.8}  # of the bytes, at equal PSNR
    rows = [
        {"name": name, "lmbda": lmbda, "effort": level, "seconds": 1.0 + level}
        | {"bytes": round(b * share[level]), "bpp": 8 * b * share[level] / 64**2, "psnr": psnr, "psnr_text": psnr - 1}
        for name in "abcde"
        for level in share
        for lmbda, b, psnr in ((0.0018, 1000, 30.0), (0.0035, 1400, 32.0), (0.0067, 2000, 34.0), (0.025, 3000, 37.0))
    ]
    effort.record_of("samples", 64).parent.mkdir()
    effort.record_of("samples", 64).write_text(json.dumps({"codec": "x", "side": 64, "images": rows}))
    shown = effort.gains(side=64)
    assert effort.gains() == "not recorded yet", "whole pictures are another record"
    assert "64 × 64 pixels with most detail of 5 samples" in shown
    lines = [line for line in shown.splitlines() if line.startswith("| effort")]
    assert [line.split(" | ")[0] for line in lines] == ["| effort 0", "| effort 2", "| effort 4"]
    assert "−10.0 % (−10.0 to −10.0)" in lines[1] and "−10.0 %, 0.00 dB" in lines[1] and lines[2].endswith(f"| {5 / 64**2 * 1e6:.0f} |")
    assert "bytes and PSNR at λ = 0.0018 | bytes and PSNR at λ = 0.025 |" in shown
    whole = [row | {"bpp": 8 * row["bytes"] / (1500 * 1000)} for row in rows]
    effort.record_of("samples").write_text(json.dumps({"codec": "x", "images": whole}))
    assert effort.verdicts() == [
        "5 samples, whole, of up to 1.5 megapixels: 10.0 % fewer bits (10.0 to 10.0) by level 2. 20.0 % fewer bits (20.0 to 20.0) by level 4"
    ]
