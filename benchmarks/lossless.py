"""Bytes of each image of a folder in lossless PNG, WebP and JPEG XL.

python benchmarks/lossless.py data/samples/images --out data/results/lossless/samples.json
"""

import argparse
from pathlib import Path

from sccore.evaluation.lossless import measure

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="record to write (JSON)")
    args = parser.parse_args()
    measure(args.images, args.out)
