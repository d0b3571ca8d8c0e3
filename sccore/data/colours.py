"""The colours of a picture in sRGB, whatever space they are stored in."""

import io

from PIL import Image, ImageChops, ImageCms

from sccore.utils.errors import first_line, note

CHANNELS = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}  # of a profile's colour space, Pillow's mode
PLAIN = {"1": "L", "LA": "L"}  # modes without alpha; of all others that are not in CHANNELS it is RGB


def to_srgb(image: Image.Image, name: str, as_stored: bool = False) -> Image.Image:
    """RGB without alpha, by the picture's profile if it has one that fits.

    Args:
        name: of the picture, in notes.
        as_stored: leave the profile aside.
    """
    mode = image.mode if image.mode in CHANNELS.values() else PLAIN.get(image.mode, "RGB")
    opaque = image.copy()
    opaque.info.pop("transparency", None)
    opaque = opaque.convert(mode)
    profile = None if as_stored else image.info.get("icc_profile")
    rgb = _by_profile(opaque, profile, name) if profile else None
    if rgb is None and mode == "LAB":
        return _transformed(opaque, ImageCms.createProfile("LAB"))
    if rgb is None and mode == "CMYK":
        note(f"{name}: CMYK without a usable colour profile, converted by the plain formula")
    return opaque.convert("RGB") if rgb is None else rgb


def _by_profile(opaque, content, name):
    """sRGB by an ICC profile; None where the profile cannot be used or moves nothing by more than rounding does."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        mode = CHANNELS.get(profile.profile.xcolor_space.strip())
        if opaque.mode == "L" and mode == "RGB":
            opaque = opaque.convert("RGB")
        if opaque.mode != mode:
            raise ValueError(f"it is for {profile.profile.xcolor_space.strip()}, not for {opaque.mode}")
        rgb = _transformed(opaque, profile)
    except MemoryError:
        raise
    except Exception as error:
        note(f"{name}: colour profile damaged, ignored ({first_line(error)})")
        return None
    if mode in ("L", "RGB") and max(high for _, high in ImageChops.difference(rgb, opaque.convert("RGB")).getextrema()) <= 1:
        return None
    note(f"{name}: colours converted from its profile to sRGB")
    return rgb


def _transformed(image, profile):
    return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
