"""`.sci` files for Pillow: importing this module is enough for `Image.open("shot.sci")` and `image.save("shot.sci", lmbda=0.0067)`.

Opening takes the file apart and tells size, mode and metadata; the picture is decoded when its pixels are first asked for. Nothing
of torch is loaded before that, and not at all for a lossless file. `thumbnail` asks for a preview where that is large enough.
"""

import io

from PIL import Image, ImageFile

from sccore.codecs import coding, container, preview
from sccore.utils.errors import InputError


class SciImageFile(ImageFile.ImageFile):
    """A picture in a .sci file; `info` says its lambda, whether it is lossless, and holds EXIF data and XMP."""

    format, format_description = "SCI", "sccore, learned compression of screen content"

    def _open(self):
        self._sci = container.unpack(self.fp.read(), Image.MAX_IMAGE_PIXELS or container.MOST_PIXELS)  # Pillow's own limit
        self._size, self._mode = (self._sci.width, self._sci.height), "RGBA" if self._sci.has_alpha else "RGB"
        kept = {"exif": self._sci.exif, "xmp": self._sci.xmp, "lmbda": None if self._sci.lossless else self._sci.lmbda}
        self.info |= {"lossless": self._sci.kind == "lossless"} | {name: value for name, value in kept.items() if value}
        self._small = False
        self.tile = [ImageFile._Tile("raw", (0, 0) + self.size, 0, self.mode)]

    def draft(self, mode, size):
        """As `thumbnail` calls it: where a quarter of the sides is enough, the pixels will be those of :mod:`sccore.codecs.preview`."""
        width, height = self.size
        if self._sci is None or self._small or min(width // size[0], height // size[1]) < preview.SMALLER:
            return None
        self._small, self._size = True, (-(-width // preview.SMALLER), -(-height // preview.SMALLER))
        self.tile = [ImageFile._Tile("raw", (0, 0) + self.size, 0, self.mode)]
        return self.mode, (0, 0, width / preview.SMALLER, height / preview.SMALLER)

    def load(self):
        """Decodes the picture, the first time.

        Raises:
            OSError: the weights that encoded it are not at hand, or it is damaged; says which.
        """
        if self._sci is not None and self.tile:
            try:
                pixels = coding.pixels(self._sci, preview=self._small)
            except InputError as error:
                raise OSError(str(error)) from None
            if self.fp and self._exclusive_fp:
                self.fp.close()
            self.fp, self._sci = io.BytesIO(pixels.tobytes()), None
        return super().load()

    def load_seek(self, pos):
        """Nothing to do: the pixels lie in memory. Where this is not defined Pillow maps the file itself, as if it were raw pixels."""


def open_file(fp, filename=""):
    """As Pillow calls it; a damaged file is an OSError that says what is wrong."""
    try:
        return SciImageFile(fp, filename)
    except InputError as error:
        raise OSError(f"{filename or 'file'}: {error}") from None


def save(image: Image.Image, fp, filename):
    """As Pillow calls it; options are those of :func:`sccore.encode`, and metadata are kept if `metadata=True` asks for it.

    Raises:
        InputError: as of :func:`sccore.encode`.
    """
    fp.write(coding.encode(image, **image.encoderinfo))


Image.register_open("SCI", open_file, lambda prefix: prefix[:4] == container.MAGIC)
Image.register_save("SCI", save)
Image.register_extension("SCI", ".sci")
Image.register_mime("SCI", "image/x-sci")
