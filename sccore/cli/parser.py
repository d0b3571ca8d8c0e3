"""The commands of `python -m sccore` and their options."""

import argparse
import sys
from pathlib import Path

from sccore import __version__
from sccore.cli import coding, commands, training
from sccore.cli.values import count, effort, natural, new_file, new_file_or_output, new_folder, path, positive, seed, size
from sccore.codecs.checkpoint_files import DEFAULT
from sccore.utils.errors import InputError

DETECTORS = ("craft", "craft-text-detector", "ppocr", "east", "rrd", "heuristic")  # of sccore.text.masks, which is slow to import


def program() -> str:
    """How this command line was called: "sccore", or "python -m sccore"."""
    return "sccore" if Path(sys.argv[0]).stem == "sccore" else "python -m sccore"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others of the command line are; help says what a value may be."""

    def error(self, message: str):
        raise InputError(f"{message}; see {self.prog} --help")

    def add_argument(self, *names, **options):
        if what := getattr(options.get("type"), "what", ""):
            options["help"] = f"{options['help']} ({what})" if "help" in options else what
        return super().add_argument(*names, **options)


def parser() -> Parser:
    main = Parser(prog=program(), description="Learned compression of screen content.")
    main.add_argument("--version", action="version", version=__version__)
    subparsers = main.add_subparsers(required=True, metavar="COMMAND")

    def command(name, help):
        sub = subparsers.add_parser(name, help=help, description=help)
        sub.set_defaults(run=(vars(coding) | vars(training) | vars(commands))[name.replace("-", "_")])
        if name not in ("info", "render", "decode", "bd-rate", "plot", "export"):
            sub.add_argument("--max-pixels", type=count, metavar="N", help="of an image that is read; default 2^27")
        return sub

    def model_options(sub):
        sub.add_argument("--model", default="sftip", help="sftip (default), wacnn, cheng2020 or ms2020")
        sub.add_argument("--preset", default="companion", help="companion (default) or paper")
        sub.add_argument("--sem", default="nesft", help="of sftip: nesft (default) or sft")
        sub.add_argument("--prior", default="text+structure", help="of sftip: text+structure (default), structure ...")
        sub.add_argument("--laplacian", default="magnitude", help="of sftip: magnitude (default) or signed")

    def detector_options(sub):
        sub.add_argument("--detector", default="craft", help=f"{', '.join(DETECTORS)}; default craft")
        sub.add_argument("--scale", type=positive, default=1.0, help="of the image that the detector sees; default 1, native")
        sub.add_argument("--weights", "--craft-weights", type=path, help="file of the detector's weights; without it: looked for")

    sub = command("info", "what a .sci file holds; or parameters and kMAC per pixel of a model or checkpoint; as JSON")
    sub.add_argument("file", type=path, nargs="?", help="the .sci file, - for standard input; or a checkpoint")
    model_options(sub)
    sub.add_argument("--rate", default="fixed", help="fixed (default) or variable")
    sub.add_argument("--checkpoint", type=path, help="the checkpoint, also by its name: sftip, wacnn")

    def adapter_option(sub):
        sub.add_argument(
            "--adapter-steps",
            type=natural,
            default=0,
            metavar="N",
            help="Dec-Adapter (reconstruction), over "
            "wacnn: fit adapters of the decoder to each image in N steps; they are coded if they pay",
        )

    def batch_options(sub):
        sub.add_argument("--jobs", type=count, default=1, metavar="N", help="of several files, so many side by side; default 1")
        sub.add_argument("--skip-existing", action="store_true", help="of several files, leave those out whose result is there")

    sub = command("encode", "code images as .sci files")
    sub.add_argument("image", type=path, nargs="+", help="any picture, several, or folders of them; - for standard input")
    sub.add_argument("file", type=path, help="the .sci file, of several pictures the folder for them; - for standard output")
    rate = sub.add_mutually_exclusive_group()
    rate.add_argument(
        "--lmbda", type=positive, help="0.0018 (small) to 0.025 (faithful); default 0.0067, or that of a checkpoint of one rate"
    )
    rate.add_argument("--target-size", type=size, metavar="SIZE", help="of the file at most: 50000, 50k, 0.05M or 48KiB")
    rate.add_argument("--bpp", type=positive, help="bits per pixel of the file at most")
    rate.add_argument("--psnr", type=positive, metavar="DB", help="of the picture at least")
    sub.add_argument("--mask", type=path, help="text mask, an image of the same size; without it a detector makes one")
    sub.add_argument("--detector", help=f"{', '.join(DETECTORS)}; none: text everywhere; default: the best that can run here")
    sub.add_argument(
        "--model",
        default=DEFAULT,
        help="of the shipped weights: sftip-interlaced (default), wacnn-interlaced (less to compute), sftip, wacnn ...",
    )
    sub.add_argument("--checkpoint", type=path, help="use this file instead")
    sub.add_argument(
        "--effort",
        type=effort,
        default=0,
        metavar="N",
        help="take longer for a better picture in fewer bytes: 2^N steps of search, 0 (default) for none; decoding takes no longer",
    )
    sub.add_argument(
        "--no-palette", action="store_true", help="the model's picture alone; default: its main colours go along where that pays"
    )
    lossless = sub.add_mutually_exclusive_group()
    lossless.add_argument(
        "--few-colours", action="store_true", help="store the picture in a few colours, without loss, where that is cheaper"
    )
    lossless.add_argument("--lossy", action="store_true", help="keep the learned picture where a lossless one would be smaller")
    sub.add_argument("--no-alpha", action="store_true", help="put what is transparent onto white; default: alpha is kept, without loss")
    sub.add_argument("--keep-metadata", action="store_true", help="keep EXIF data and XMP; colours are sRGB, so that no profile is needed")
    adapter_option(sub)
    batch_options(sub)

    sub = command("decode", "decode .sci files to images")
    sub.add_argument("file", type=path, nargs="+", help="the .sci file, several, or folders of them; - for standard input")
    sub.add_argument("image", type=path, help="PNG or another lossless format, of several the folder; - for a PNG on standard output")
    sub.add_argument("--format", default="png", help="of the pictures in a folder: png (default), webp, tif ...")
    sub.add_argument("--checkpoint", type=path, help="weights, if they are not among the shipped ones")
    precision = sub.add_mutually_exclusive_group()
    precision.set_defaults(precision="float32")
    for option, value, what in (
        ("--float64", "float64", "the same pixels on any machine: the synthesis in float64, slower"),
        ("--fast", "bfloat16", "the synthesis in bfloat16, where the processor has it: less time, some pixels off by a few levels"),
    ):
        precision.add_argument(option, dest="precision", action="store_const", const=value, help=what)
    sub.add_argument("--preview", action="store_true", help="a quarter of the width and height, in a part of the time")
    sub.add_argument("--max-pixels", type=count, default=2**26, metavar="N", help="refuse larger images; default 67108864")
    batch_options(sub)

    sub = command("fetch", "bring a data set to data/NAME; goes on where an earlier run stopped")
    sub.add_argument("dataset", nargs="?", metavar="DATASET", help="its name; without it: as --list")
    sub.add_argument("--list", action="store_true", help="show all data sets, what they are and how to get them")
    sub.add_argument("--from", dest="copy", type=path, metavar="FOLDER", help="take over a copy that you have, as links or copies")
    sub.add_argument("--out", type=new_folder, help="folder for images/ and masks/; default: data/DATASET")
    sub.add_argument("--mirror", metavar="ADDRESS", help="in place of raw.githubusercontent.com, with the same paths")

    def also_option(sub):
        sub.add_argument(
            "--also",
            nargs="+",
            metavar="NAME",
            help="additional metrics, one column each: ms_ssim_text, gmsd, cer ...; `--also list` shows all",
        )

    sub = command("evaluate", "code a folder of images for real and measure rate and quality")
    sub.add_argument("--model", default="sftip", help="of the shipped weights: sftip (default), wacnn ...")
    sub.add_argument(
        "--prior", default="text+structure", help="of sftip, as of info; its weights are looked for among the shipped ones and in data/runs"
    )
    sub.add_argument("--checkpoint", type=path, help="use this file instead")
    sub.add_argument("--lmbda", type=positive, action="append", help="may be repeated; default: all of the model")
    sub.add_argument("--images", help="folder of images, with images/ and masks/ inside or not; or a data set")
    sub.add_argument("--masks", type=path, help="folder of text masks, paired by file stem")
    sub.add_argument(
        "--coded-with",
        metavar="MASK",
        help="encode with this mask instead, of a detector (see masks), or dilated, eroded, shifted, ones, empty, inverted; the text region is still that of --masks",
    )
    sub.add_argument(
        "--name", help="the codec's name in the record and in figures; default: the planned run's, or the model's and its switches"
    )
    sub.add_argument("--out", type=new_file, help="record to write (JSON); goes on where an earlier run stopped")
    sub.add_argument("--palette", action="store_true", help="files with a palette, as encode writes them; default: the model alone")
    adapter_option(sub)
    also_option(sub)

    sub = command("bd-rate", "BD-rate of curves against one, in percent: of records, or of files in CompressAI's form")
    sub.add_argument("anchor", type=path, help="the curve to compare with, a JSON file")
    sub.add_argument("test", type=path, nargs="+", help="curves, JSON files")
    sub.add_argument("--metric", default="psnr", help="psnr (default), ms_ssim, or another column of records")

    sub = command("plot", "draw rate-distortion curves: of records, or of files in CompressAI's form")
    sub.add_argument("files", type=path, nargs="+", metavar="FILE", help="JSON files")
    sub.add_argument("--metric", default="psnr", help="psnr (default), ms_ssim, or another column of records")
    sub.add_argument("--out", type=new_file, required=True, help="the figure, .png, .svg or .pdf")

    sub = command("export", "write a record's curve in CompressAI's form")
    sub.add_argument("record", type=path, help="JSON file, as evaluate and anchors write them")
    sub.add_argument("--out", type=new_file_or_output, default=Path("-"), help="file to write; default: standard output")

    sub = command("masks", "text masks of a folder of images; goes on where an earlier run stopped")
    sub.add_argument("images", metavar="DIR", help="folder of images, or a data set")
    detector_options(sub)
    sub.add_argument("--out", type=new_folder, required=True, help="folder of the masks STEM.png and their records STEM.json")

    sub = command("render", "screens of HTML documents with the boxes of their words, by headless Chromium")
    sub.add_argument("sources", type=path, nargs="+", metavar="SOURCE", help="HTML files and folders of them")
    sub.add_argument("--out", type=new_folder, required=True, help="folder of the pages STEM.png and their words STEM.json")
    sub.add_argument("--count", type=count, help="of pages; default: every document once")
    sub.add_argument("--seed", type=seed, default=0, help="of order, windows, fonts and colours; default 0")

    sub = command("evaluate-detector", "measure a text detector on pages whose words are known")
    sub.add_argument("pages", type=path, metavar="DIR", help="folder of pages STEM.png and their words STEM.json")
    detector_options(sub)
    sub.add_argument("--held-back", action="store_true", help="only the third of the pages that is kept from training")
    sub.add_argument("--out", type=new_file, help="record to write (JSON); goes on where an earlier run stopped")

    sub = command("mask-stability", "measure how a detector's masks change when images are compressed")
    sub.add_argument("images", metavar="DIR", help="folder of images, or a data set")
    detector_options(sub)
    sub.add_argument("--codec", nargs="+", default=["jpeg"], metavar="NAME", help="of those that `anchors --list` shows")
    sub.add_argument("--quality", nargs="+", type=natural, help="in the codec's own scale; default: its sweep")
    sub.add_argument("--out", type=new_file, help="record to write (JSON); goes on where an earlier run stopped")

    sub = command("anchors", "measure classical codecs on a folder of images, as evaluate does a model")
    sub.add_argument("--list", action="store_true", help="show which codecs can be used here, and do nothing")
    sub.add_argument("--codec", nargs="+", metavar="NAME", help="default: all that can be used here")
    sub.add_argument("--quality", nargs="+", type=natural, help="of a single codec, in its own scale; default: its sweep")
    sub.add_argument("--images", help="folder of images, with images/ and masks/ inside or not; or a data set")
    sub.add_argument("--masks", type=path, help="folder of text masks, paired by file stem")
    sub.add_argument("--out", type=new_folder, help="folder of records, CODEC.json; goes on where an earlier run stopped")
    sub.add_argument("--no-ms-ssim", action="store_true", help="leave out MS-SSIM, slower than most of these codecs")
    also_option(sub)

    sub = command("score", "score decoded images with ASIQE-R, beside their rates; goes on where an earlier run stopped")
    sub.add_argument("--codec", nargs="+", required=True, metavar="NAME", help="of those that `anchors --list` shows, or checkpoints")
    sub.add_argument("--images", required=True, help="folder of images, or a data set")
    sub.add_argument("--limit", type=count, nargs=2, metavar=("H", "W"), help="of larger images the part of this size with most detail")
    sub.add_argument("--out", type=new_file, required=True, help="record to write (JSON)")

    training.options(command, model_options)
    return main
