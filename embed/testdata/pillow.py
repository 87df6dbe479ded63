"""Writes pillow.json: what Pillow makes of small images, as the oracle of the
tests. Run it in this folder; the committed file came from Pillow 9.4.0."""

import base64
import hashlib
import io
import json

from PIL import Image, ImageOps


def noise(width, height, seed):
    """The same picture as noise in the Go tests."""
    out = bytearray()
    for _ in range(3 * width * height):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(seed >> 24)
    return Image.frombytes("RGB", (width, height), bytes(out))


def smooth(width, height):
    """A picture that JPEG keeps well: noise enlarged."""
    return noise(5, 4, 7).resize((width, height), Image.Resampling.BICUBIC)


def text(data):
    return base64.b64encode(data).decode()


decode = []


def add(name, image, format, want=None, within=0, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    want = want or ImageOps.exif_transpose(Image.open(io.BytesIO(out.getvalue()))).convert("RGB")
    case = {"name": name, "width": want.width, "height": want.height, "data": text(out.getvalue()),
            "sha256": hashlib.sha256(want.tobytes()).hexdigest()}
    if within:
        case |= {"within": within, "rgb": text(want.tobytes())}
    decode.append(case)


rgb = smooth(21, 17)
grey = rgb.convert("L")
alpha = rgb.copy()
alpha.putalpha(noise(21, 17, 3).convert("L"))
palette = rgb.quantize(13)
bits = grey.convert("1")
wide = Image.frombytes("I;16", (21, 17), noise(14, 17, 9).tobytes())
high = Image.frombytes("L", (21, 17), wide.tobytes()[1::2]).convert("RGB")

for name, image in [("grey", grey), ("rgb", rgb), ("palette", palette), ("bilevel", bits),
                    ("rgba", alpha), ("grey and alpha", alpha.convert("LA"))]:
    add(f"png {name}", image, "PNG")
add("png 16-bit grey", wide, "PNG", want=high)
add("png palette with transparency", palette, "PNG", transparency=3)
for name, image in [("grey", grey), ("rgb", rgb), ("palette", palette), ("bilevel", bits)]:
    add(f"bmp {name}", image, "BMP")
for how in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
    for name, image in [("grey", grey), ("rgb", rgb), ("rgba", alpha), ("palette", palette),
                        ("bilevel", bits), ("cmyk", rgb.convert("CMYK"))]:
        add(f"tiff {how} {name}", image, "TIFF", compression=how)
    add(f"tiff {how} 16-bit grey", wide, "TIFF", want=high, compression=how)
for how in ["tiff_lzw", "tiff_adobe_deflate"]:
    add(f"tiff {how} predicted rgb", rgb, "TIFF", compression=how, tiffinfo={317: 2})
    add(f"tiff {how} predicted 16-bit grey", wide, "TIFF", want=high, compression=how, tiffinfo={317: 2})
add("tiff in strips of 5", rgb, "TIFF", tiffinfo={278: 5}, compression="tiff_lzw")
add("jpeg grey", grey, "JPEG")
add("jpeg 4:4:4", rgb, "JPEG", subsampling=0, quality=90)
add("jpeg cmyk", rgb.convert("CMYK"), "JPEG", quality=95)
add("jpeg progressive", grey, "JPEG", progressive=True)
add("jpeg 4:2:2", rgb, "JPEG", subsampling=1, quality=90)
add("jpeg 4:2:0", rgb, "JPEG", subsampling=2, quality=90)
add("webp lossless", rgb, "WEBP", lossless=True)
add("webp lossless rgba", alpha, "WEBP", lossless=True, exact=True)
add("webp lossy grey", grey.convert("RGB"), "WEBP", within=1, quality=90)
# Chroma is repeated here and interpolated there.
add("webp lossy", rgb, "WEBP", within=64, quality=90)
add("webp lossy rgba", alpha, "WEBP", within=64, quality=90)
T = Image.Transpose
TURNS = [T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.FLIP_TOP_BOTTOM, T.TRANSPOSE, T.ROTATE_270, T.TRANSVERSE, T.ROTATE_90]
for turn in range(1, 9):
    exif = Image.Exif()
    exif[274] = turn
    for format in ["PNG", "WEBP"]:
        add(f"{format.lower()} orientation {turn}", rgb, format, exif=exif, lossless=True)
    add(f"jpeg orientation {turn}", grey, "JPEG", exif=exif)
    # Pillow 9.4 leaves a TIFF as stored; TIFF 6.0 gives the tag EXIF's meaning.
    upright = rgb.transpose(TURNS[turn - 2]) if turn > 1 else rgb
    add(f"tiff orientation {turn}", rgb, "TIFF", want=upright, tiffinfo={274: turn})

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}


def shorter(image, size, method):
    w, h = image.size
    if w <= h:
        return image.resize((size, int(size * h / w)), method)
    return image.resize((int(size * w / h), size), method)


def preprocess(image, mode, size, crop, method):
    if mode == "shorter":
        image = shorter(image, size, method)
    elif mode == "fixed":
        image = image.resize((size, size), method)
    else:
        image = ImageOps.pad(image, (size, size), method, color=(0, 0, 0))
    if crop:
        x, y = round((image.width - crop) / 2.0), round((image.height - crop) / 2.0)
        image = image.crop((x, y, x + crop, y + crop))
    return image


resize = []
SIZES = [(1, 1), (2, 3), (31, 17), (17, 31), (64, 64), (40, 41), (100, 7), (7, 100), (301, 200)]
for width, height in SIZES:
    for mode, size, crop in [("shorter", 24, 24), ("shorter", 33, 20), ("fixed", 24, 0),
                             ("fixed", 41, 40), ("longest-pad", 32, 0), ("longest-pad", 32, 25), ("fixed", 64, 64)]:
        for name, method in FILTERS.items():
            out = preprocess(noise(width, height, width * 1000 + height), mode, size, crop, method)
            resize.append({"width": width, "height": height, "mode": mode, "size": size, "crop": crop,
                           "interpolation": name, "sha256": hashlib.sha256(out.tobytes()).hexdigest()})

with open("pillow.json", "w") as f:
    f.write('{"decode": [\n' + ",\n".join(map(json.dumps, decode)))
    f.write('\n], "resize": [\n' + ",\n".join(map(json.dumps, resize)) + "\n]}\n")
