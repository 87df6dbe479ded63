"""Writes pillow.json: what Pillow makes of small images, as the oracle of the
tests. Run it in this folder: python3 pillow.py. The committed file came from
Pillow 9.4.0 (libtiff 4.5.0, libwebp 1.2.4, libjpeg-turbo 2.1.5) and NumPy 1.24.2,
Debian 12's python3-pil and python3-numpy."""

import base64
import hashlib
import io
import json
import struct
import zlib

import numpy
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


def shown(data, frame=0):
    """What Pillow shows of a file's frame."""
    image = Image.open(io.BytesIO(data))
    image.seek(frame)
    return ImageOps.exif_transpose(image).convert("RGB")


def case(name, data, want=None, **more):
    """Adds a file; more are the frame and the levels that are asked for."""
    want = want or shown(data, more.get("frame", 0))
    entry = {"name": name, "width": want.width, "height": want.height, "data": text(data),
             "sha256": hashlib.sha256(want.tobytes()).hexdigest()} | more
    decode.append(entry)


def file(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def add(name, image, format, want=None, **options):
    case(name, file(image, format, **options), want)


rgb = smooth(21, 17)
grey = rgb.convert("L")
alpha = rgb.copy()
alpha.putalpha(noise(21, 17, 3).convert("L"))
palette = rgb.quantize(13)
bilevel = grey.convert("1")
wide = Image.frombytes("I;16", (21, 17), noise(14, 17, 9).tobytes())
high = Image.frombytes("L", (21, 17), wide.tobytes()[1::2]).convert("RGB")

for name, image in [("grey", grey), ("rgb", rgb), ("palette", palette), ("bilevel", bilevel),
                    ("rgba", alpha), ("grey and alpha", alpha.convert("LA"))]:
    add(f"png {name}", image, "PNG")
add("png 16-bit grey", wide, "PNG", want=high)
add("png palette with transparency", palette, "PNG", transparency=3)
for name, image in [("grey", grey), ("rgb", rgb), ("palette", palette), ("bilevel", bilevel)]:
    add(f"bmp {name}", image, "BMP")
for how in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
    for name, image in [("grey", grey), ("rgb", rgb), ("rgba", alpha), ("palette", palette),
                        ("bilevel", bilevel), ("cmyk", rgb.convert("CMYK"))]:
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
add("webp lossy grey", grey.convert("RGB"), "WEBP", quality=90)
add("webp lossy", rgb, "WEBP", quality=90)
add("webp lossy rgba", alpha, "WEBP", quality=90)
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


def png(width, height, bits, colour, rows, *chunks):
    """A PNG of rows as they are stored, for what Pillow cannot write."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = b"".join(b"\0" + rows[i:i + len(rows) // height] for i in range(0, len(rows), len(rows) // height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunk(*c) for c in chunks)
            + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))


raw = noise(40, 40, 11).tobytes()
for bits in [1, 2, 4]:
    row = raw[:(21 * bits + 7) // 8 * 17]
    case(f"png grey of {bits} bits", png(21, 17, bits, 0, row))
    case(f"png palette of {bits} bits", png(21, 17, bits, 3, row, (b"PLTE", raw[:3 << bits])))
    case(f"png grey of {bits} bits, one transparent", png(21, 17, bits, 0, row, (b"tRNS", b"\0\1")))
case("png grey, one transparent", png(21, 17, 8, 0, raw[:21 * 17], (b"tRNS", b"\0" + raw[5:6])))
case("png rgb, one transparent", png(9, 7, 8, 2, raw[:9 * 7 * 3], (b"tRNS", b"\0" + raw[6:7] + b"\0" + raw[7:8] + b"\0" + raw[8:9])))
for name, colour, samples in [("rgb", 2, 3), ("grey and alpha", 4, 2), ("rgba", 6, 4)]:
    case(f"png 16-bit {name}", png(9, 7, 16, colour, raw[:9 * 7 * 2 * samples]))
case("png palette with several alphas", png(21, 17, 4, 3, raw[:11 * 17], (b"PLTE", raw[:48]), (b"tRNS", bytes(range(0, 160, 10)))))
case("png palette too short", png(2, 1, 8, 3, b"\1\0", (b"PLTE", raw[:6])))


def percentile(image, low, high):
    """Grey of 16 bits between two percentiles of its own."""
    v = numpy.frombuffer(image.tobytes(), "<u2").astype(float)
    a, b = numpy.percentile(v, [low, high])
    level = numpy.floor(numpy.clip((v - a) / (b - a), 0, 1) * 255 + 0.5).astype("u1")
    return Image.frombytes("L", image.size, level.tobytes()).convert("RGB")


# Mostly within a byte, as scans of few bits are.
low = Image.frombytes("I;16", (21, 17), numpy.frombuffer(raw[:714], "<u2").__rshift__(6).astype("<u2").tobytes())
low_png, low_tiff = file(low, "PNG"), file(low, "TIFF")
assert shown(low_png).tobytes() == shown(low_tiff).tobytes()
for name, data in [("png", low_png), ("tiff", low_tiff)]:
    case(f"{name} 16-bit grey clipped", data, levels="clip")
    case(f"{name} 16-bit grey between percentiles", data, percentile(low, .5, 99.5), levels="percentile")
    case(f"{name} 16-bit grey between other percentiles", data, percentile(low, 10, 75), levels="percentile", low=10, high=75)
case("png 16-bit grey, one transparent, clipped", png(21, 17, 16, 0, numpy.frombuffer(low.tobytes(), "<u2").astype(">u2").tobytes(), (b"tRNS", b"\0\7")), levels="clip")

frames = [smooth(21, 17), smooth(21, 17).rotate(90), smooth(21, 17).rotate(180)]
add("png animated", frames[0], "PNG", save_all=True, append_images=frames[1:])
add("png animated beside its picture", frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)

few = palette.crop((0, 0, 16, 11))
gif = file(few, "GIF", interlace=0)
case("gif", gif)
add("gif interlaced", palette, "GIF", interlace=1)
add("gif grey", grey.crop((0, 0, 9, 7)), "GIF")
add("gif bilevel", bilevel, "GIF")
add("gif transparent", few, "GIF", transparency=3)
add("gif animated", few, "GIF", save_all=True, append_images=[few.rotate(90), few.rotate(180)])
case("gif on a larger canvas", gif[:6] + struct.pack("<HH", 20, 14) + gif[10:])
clear = file(few, "GIF", transparency=3, interlace=0)
at = clear.index(b"\x2c\0\0\0\0")
case("gif transparent, off the corner", clear[:6] + struct.pack("<HH", 30, 20) + clear[10:at + 1] + struct.pack("<HH", 5, 3) + clear[at + 5:])
case("gif beyond its canvas", gif[:6] + struct.pack("<HH", 5, 4) + gif[10:])
at = gif.index(b"\x2c\0\0\0\0")
size = 3 << (gif[10] & 7) + 1
case("gif with colours of its own", gif[:10] + b"\0" + gif[11:13] + gif[13 + size:at + size - size]
     + gif[at:at + 9] + bytes([0x80 | gif[10] & 7]) + gif[13:13 + size] + gif[at + 10:])
case("gif without colours", gif[:10] + b"\0" + gif[11:13] + gif[at:])

for width, height in [(1, 1), (2, 1), (1, 2), (2, 2), (3, 3), (20, 16), (7, 1), (1, 9), (18, 33)]:
    add(f"webp lossy {width} x {height}", smooth(width, height), "WEBP", quality=80)
add("webp animated", frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
add("webp animated, lossy", frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=70)


def webp_at(image, canvas, at, **options):
    """An animated WebP of one frame that lies on a larger canvas."""
    def chunk(name, body):
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    def three(*values):
        return b"".join(struct.pack("<I", v)[:3] for v in values)
    picture = file(image, "WEBP", **options)[12:]
    frame = three(at[0] // 2, at[1] // 2, image.width - 1, image.height - 1, 100) + b"\2" + picture
    body = (b"WEBP" + chunk(b"VP8X", b"\x02\0\0\0" + three(canvas[0] - 1, canvas[1] - 1))
            + chunk(b"ANIM", b"\x10\x20\x30\xff\0\0") + chunk(b"ANMF", frame))
    return b"RIFF" + struct.pack("<I", len(body)) + body


case("webp animated on a larger canvas", webp_at(rgb, (31, 23), (4, 2), lossless=True))
case("webp animated on a larger canvas, lossy", webp_at(rgb, (31, 23), (10, 6), quality=80))

inked = file(rgb.convert("CMYK"), "JPEG", quality=95)
at = inked.index(b"\xff\xee")
case("jpeg ycck", inked[:at + 15] + b"\2" + inked[at + 16:])
case("jpeg cmyk without a word from Adobe", inked[:at] + inked[at + 16:])
add("bmp rgba", alpha, "BMP")


def bmp(width, height, bits, pixels, compression=0, palette=b"", masks=b"", size=40):
    """A BMP, for what Pillow cannot write."""
    if size == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    head += masks
    head += palette
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


sixteen = raw[:9 * 2 * 7 + 14]
case("bmp 16 bits", bmp(9, 7, 16, sixteen))
case("bmp 16 bits, 6 of green", bmp(9, 7, 16, sixteen, 3, masks=struct.pack("<III", 0xf800, 0x7e0, 0x1f)))
case("bmp 32 bits", bmp(9, 7, 32, raw[:252]))
case("bmp 32 bits by masks", bmp(9, 7, 32, raw[:252], 3, masks=struct.pack("<III", 0xff000000, 0xff0000, 0xff00)))
case("bmp from the top", bmp(9, -7, 24, raw[:196]))
case("bmp of 4 bits", bmp(9, 7, 4, raw[:56], palette=raw[:64]))
case("bmp of OS/2", bmp(9, 7, 4, raw[:56], palette=raw[:48], size=12))
case("bmp of OS/2, 24 bits", bmp(9, 7, 24, raw[:196], size=12))
# No moves and no odd number of nibbles: Pillow 9.4 misreads what follows them.
run8 = b"\4\7\3\1\2\2\0\0" b"\0\3\1\2\3\0\6\4\0\0" b"\5\5\0\0" b"\4\0\5\6\0\0" b"\0\4\11\10\7\6\5\1\0\0\0\1"
case("bmp runs of 8 bits", bmp(9, 5, 8, run8, 1, palette=raw[:1024]))
run4 = b"\4\x71\3\x12\2\x34\0\0" b"\0\4\x12\x34\5\x45\0\0" b"\5\x50\0\0" b"\0\6\x98\x76\x54\0\3\1\0\0\0\1"
case("bmp runs of 4 bits", bmp(9, 4, 4, run4, 2, palette=raw[:64]))


def tiff(image_tags, blocks, order="<", big=False, tile=False):
    """A TIFF of blocks as they are stored, for what Pillow cannot write."""
    word, entry_count = ("Q", "Q") if big else ("I", "H")
    out = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    out += struct.pack(order + "HHQ", 8, 0, 0) if big else struct.pack(order + "I", 0)
    at = []
    for block in blocks:
        at.append(len(out))
        out += block
    offsets, counts = (324, 325) if tile else (273, 279)
    tags = image_tags | {offsets: at, counts: [len(b) for b in blocks]}
    entries = b""
    for tag in sorted(tags):
        values, kind, letter = tags[tag], 3, "H"
        if isinstance(values, bytes):
            body, kind = values, 7
        else:
            if big and tag in (offsets, counts):
                kind, letter = 16, "Q"
            elif tag in (offsets, counts):
                kind, letter = 4, "I"
            body = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(body) > struct.calcsize("<" + word):
            body, out = struct.pack(order + word, len(out)), out + body
        body += b"\0" * (struct.calcsize("<" + word) - len(body))
        entries += struct.pack(order + "HH" + word, tag, kind, len(values)) + body
    start = len(out)
    out += struct.pack(order + entry_count, len(tags)) + entries + b"\0" * struct.calcsize("<" + word)
    place = struct.pack(order + word, start)
    return out[:8] + place + out[16:] if big else out[:4] + place + out[8:]


def tags(width, height, bits, samples, photometric, **more):
    names = {"compression": 259, "fill": 266, "planar": 284, "extra": 338, "format": 339, "palette": 320,
             "tile": 322, "tile_height": 323, "tables": 347, "rows": 278}
    out = {256: [width], 257: [height], 258: [bits] * samples, 259: [1], 262: [photometric], 277: [samples], 278: [height], 284: [1]}
    if "tile" in more:
        del out[278]
    return out | {names[k]: v if isinstance(v, (bytes, list)) else [v] for k, v in more.items()}


for order, name in [("<", "little"), (">", "big")]:
    for kind, samples, photometric, more in [
            ("grey", 1, 1, {}), ("rgb", 3, 2, {}), ("rgba", 4, 2, {"extra": 2}), ("rgbx", 4, 2, {"extra": 0}),
            ("rgb with associated alpha", 4, 2, {"extra": 1})]:
        size = 9 * 7 * samples
        if kind != "grey":
            case(f"tiff {name}-endian 16-bit {kind}", tiff(tags(9, 7, 16, samples, photometric, **more), [raw[:2 * size]], order))
        case(f"tiff {name}-endian {kind}", tiff(tags(9, 7, 8, samples, photometric, **more), [raw[:size]], order))
case("tiff 16-bit cmyk", tiff(tags(9, 7, 16, 4, 5), [raw[:9 * 7 * 8]]))
case("tiff grey and alpha", tiff(tags(9, 7, 8, 2, 1, extra=2), [raw[:9 * 7 * 2]]))
case("tiff white is zero", tiff(tags(9, 7, 8, 1, 0), [raw[:63]]))
case("tiff 16-bit grey, white is zero, clipped", tiff(tags(21, 17, 16, 1, 0), [low.tobytes()]), levels="clip")
case("tiff big-endian 16-bit grey clipped", tiff(tags(9, 7, 16, 1, 1), [raw[:126]], ">"), levels="clip")
for bits in [1, 2, 4]:
    row = raw[:(9 * bits + 7) // 8 * 7]
    for photometric in [0, 1]:
        for fill in [1, 2]:
            case(f"tiff {bits} bits, {'white' if photometric == 0 else 'black'} is zero, fill order {fill}",
                 tiff(tags(9, 7, bits, 1, photometric, fill=fill), [row]))
    case(f"tiff palette of {bits} bits", tiff(tags(9, 7, bits, 1, 3, palette=[v << 8 | 9 for v in raw[:3 << bits]]), [row]))
planes = [raw[i * 63:][:63] for i in range(4)]
case("tiff planar rgb", tiff(tags(9, 7, 8, 3, 2, planar=2), planes[:3]))
case("tiff planar rgba", tiff(tags(9, 7, 8, 4, 2, planar=2, extra=2), planes))
case("tiff planar cmyk", tiff(tags(9, 7, 8, 4, 5, planar=2), planes))
case("tiff planar deflated", tiff(tags(9, 7, 8, 3, 2, planar=2, compression=8), [zlib.compress(p) for p in planes[:3]]))
tiles = [raw[i:i + 768] for i in (0, 700, 1400, 2100)]
case("tiff tiles", tiff(tags(21, 17, 8, 3, 2, tile=16, tile_height=16, compression=8), [zlib.compress(t[:64] * 12) for t in tiles], tile=True))
case("bigtiff rgb", tiff(tags(9, 7, 8, 3, 2), [raw[:189]], big=True))
case("bigtiff big-endian rgb in strips", tiff(tags(9, 7, 8, 3, 2, rows=3), [raw[:81], raw[81:162], raw[162:189]], ">", big=True),
     Image.frombytes("RGB", (9, 7), raw[:189]))  # Pillow 9.4 does not know this byte order of BigTIFF
case("bigtiff 16-bit grey clipped", tiff(tags(21, 17, 16, 1, 1), [low.tobytes()], big=True), levels="clip")

for how, name in [("group3", "tiff fax of one dimension"), ("group4", "tiff fax")]:
    add(name, bilevel, "TIFF", compression=how)
    add(f"{name}, white is zero", bilevel, "TIFF", compression=how, tiffinfo={262: 0})
    add(f"{name} in strips", bilevel, "TIFF", compression=how, tiffinfo={278: 5})
fax = Image.open(io.BytesIO(file(bilevel, "TIFF", compression="group4")))
codes = file(bilevel, "TIFF", compression="group4")[fax.tag_v2[273][0]:][:fax.tag_v2[279][0]]
case("tiff fax in fill order 2", tiff(tags(21, 17, 1, 1, 0, compression=4, fill=2), [bytes(int(f"{c:08b}"[::-1], 2) for c in codes)]))

for name, image in [("grey", grey), ("rgb", rgb), ("cmyk", rgb.convert("CMYK")), ("ycbcr", rgb.convert("YCbCr"))]:
    add(f"tiff jpeg {name}", image, "TIFF", compression="jpeg", quality=90)
add("tiff jpeg ycbcr in strips", rgb.convert("YCbCr"), "TIFF", compression="jpeg", tiffinfo={278: 8})
parts = [smooth(16, 16).rotate(90 * i) for i in range(4)]
case("tiff jpeg tiles", tiff(tags(21, 17, 8, 3, 6, tile=16, tile_height=16, compression=7, **{}) | {530: [2, 2]},
                             [file(p, "JPEG", quality=70) for p in parts], tile=True))

pages = [rgb, grey.crop((0, 0, 9, 5)), bilevel, palette]
many = file(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_adobe_deflate")
for i, page in enumerate(pages):
    case("tiff pages" if i == 0 else f"tiff page {i + 1}", many, frame=i)

# What is refused.
case("tiff 16-bit signed", tiff(tags(9, 7, 16, 1, 1, format=2), [raw[:126]]))
case("tiff floating point", tiff(tags(9, 7, 32, 1, 1, format=3), [numpy.arange(63, dtype="<f4").tobytes()]))
case("tiff 12 bits", tiff(tags(8, 7, 12, 1, 1), [raw[:84]]))
case("tiff fax with runs alone", file(bilevel, "TIFF", compression="tiff_ccitt"))

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
