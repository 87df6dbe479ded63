"""Writes pixels.json: what the files of the shared test data hold, as the oracle
of the tests. Run it in this folder:

    NEARCASE_TESTDATA=... python3 pixels.py

The committed file came from pydicom 2.3.1, GDCM 3.0.21 (with CharLS 2.4.1 and
OpenJPEG 2.5.0), Pillow 9.4.0 and NumPy 1.24.2.

Stored values. Native pixel data is unpacked here, by PS3.5, and compared with
pydicom's. RLE is pydicom's, compared with DCMTK's
(dcmdrle; GDCM 3.0.21 is wrong for 16-bit colour and aborts on rtdose_rle). Every compressed frame is cut
out here, by PS3.5 A.4, and given to GDCM alone; where Pillow reads the frame
too, both must agree. Where they do not, and who is right:

  - examples_ybr_color, IM00001...50 and SC_rgb_*: nothing to choose, GDCM and
    Pillow agree on every sample (libjpeg both).
  - J2K_pixelrep_mismatch: the codestream is unsigned and the file signed. GDCM
    alone returns the bits unsigned; pydicom extends their sign, as done here.
  - Photometric YBR_RCT and YBR_ICT: both undo the transform, so values are RGB.
  - JPEG streams: RGB or YBR is what an Adobe segment says, else the file.
    pydicom and GDCM return the samples untransformed in all these files.
  - badVR: pydicom cannot read "1A" frames either.
  - 8-bit samples in big endian words (SC_rgb_small_odd_big_endian) are swapped
    in pairs: pydicom 2.3.1 returns them as they lie, which is wrong (PS3.5
    8.1.1); unpacked here they equal the little endian file's.
  - JPEG2000-embedded-sequence-delimiter: its header is overwritten, nobody
    reads it.

Canonical form: little endian int32, interleaved, frame after frame.

Rendered pictures come from an own pipeline in NumPy by PS3.3 C.7.6.3, C.11.1
and C.11.2; where pydicom has a function for a step, its result is compared and
the largest difference in grey levels is printed.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings

import gdcm
import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import generate_pixel_data_fragment, get_frame_offsets
from pydicom.filebase import DicomBytesIO
from pydicom.pixel_data_handlers import rle_handler, util

warnings.simplefilter("ignore")
gdcm.Trace.WarningOff()
gdcm.Trace.ErrorOff()
root = os.path.join(os.environ["NEARCASE_TESTDATA"], "dicom")
BASE = "1.2.840.10008.1.2"
NATIVE = {BASE, BASE + ".1", BASE + ".2", BASE + ".1.99"}
LOSSY = {BASE + s for s in (".4.50", ".4.51", ".4.81", ".4.91")}


class Broken(Exception):
    """The error that the tests expect instead of pixels."""


def say(name, text):
    print(f"{name}: {text}", file=sys.stderr)


def first(value, otherwise):
    if value is None or value == "":
        return otherwise
    return value[0] if isinstance(value, (list, pydicom.multival.MultiValue)) else value


# Stored values


def sign_extend(v, bits):
    v = v & ((1 << bits) - 1)
    return np.where(v >= 1 << (bits - 1), v - (1 << bits), v)


def native(ds, order, n):
    """Stored values of uncompressed pixel data as int64, (frames, rows, columns, samples)."""
    rows, columns, samples, bits = ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.BitsAllocated
    data = ds.PixelData
    if order == ">" and bits <= 8 and ds["PixelData"].VR == "OW":
        data = np.frombuffer(data, "<u2").byteswap().tobytes()
    if ds.PhotometricInterpretation == "YBR_FULL_422":
        d = np.frombuffer(data, "u1")[: n * rows * columns * 2].reshape(-1, 4)
        v = d[:, [0, 2, 3, 1, 2, 3]].astype("i8").reshape(n, rows, columns, 3)
    elif bits == 1:
        v = np.unpackbits(np.frombuffer(data, "u1"), bitorder="little")[: n * rows * columns]
        v = v.astype("i8").reshape(n, rows, columns, 1)
    else:
        v = np.frombuffer(data, f"{order}u{bits // 8}", n * rows * columns * samples).astype("i8")
        if samples > 1 and ds.PlanarConfiguration == 1:
            v = v.reshape(n, samples, rows, columns).transpose(0, 2, 3, 1)
        v = v.reshape(n, rows, columns, samples)
    v = v >> (ds.HighBit + 1 - ds.BitsStored)
    if ds.PixelRepresentation:
        return sign_extend(v, ds.BitsStored)
    return v & ((1 << ds.BitsStored) - 1)


def streams(ds, n):
    """The compressed bytes of each frame."""
    buffer = DicomBytesIO(ds.PixelData)
    buffer.is_little_endian = True
    _, offsets = get_frame_offsets(buffer)
    fragments = list(generate_pixel_data_fragment(buffer))
    if n == 1:
        return [b"".join(fragments)]
    if len(fragments) == n:
        return fragments
    starts, at = [], 0
    for i, fragment in enumerate(fragments):
        if (at in offsets) if len(offsets) == n else fragment[:2] in (b"\xff\xd8", b"\xff\x4f"):
            starts.append(i)
        at += 8 + len(fragment)
    assert len(starts) == n, (starts, n)
    return [b"".join(fragments[a:b]) for a, b in zip(starts, starts[1:] + [len(fragments)])]


def by_gdcm(ds, stream):
    """GDCM's samples of one stream."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream + b"\0" * (len(stream) % 2))
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((ds.Columns, ds.Rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(ds.PhotometricInterpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(ds.file_meta.TransferSyntaxUID))))
    image.SetPixelFormat(gdcm.PixelFormat(ds.SamplesPerPixel, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation))
    if ds.SamplesPerPixel > 1:
        image.SetPlanarConfiguration(ds.PlanarConfiguration)
    out = image.GetBuffer().encode("utf-8", "surrogateescape")
    size = ds.Rows * ds.Columns * ds.SamplesPerPixel
    v = np.frombuffer(out, f"<u{ds.BitsAllocated // 8}")
    if v.size < size:
        raise Broken("corrupt")
    return v[:size].astype("i8").reshape(ds.Rows, ds.Columns, ds.SamplesPerPixel)


def by_pillow(ds, stream):
    """Pillow's samples of one stream, or None where it cannot or would change them."""
    syntax = str(ds.file_meta.TransferSyntaxUID)
    if syntax not in (BASE + ".4.50", BASE + ".4.90", BASE + ".4.91") or ds.BitsAllocated != 8:
        return None
    image = Image.open(io.BytesIO(stream))
    if syntax == BASE + ".4.50" and "adobe_transform" not in image.info:
        image.draft("YCbCr", image.size)
        if ds.PhotometricInterpretation == "RGB":
            image.tile = [("jpeg", image.tile[0][1], image.tile[0][2], ("YCbCr", ""))]
            image.mode = image.rawmode = "YCbCr"
    try:
        return np.asarray(image).astype("i8").reshape(ds.Rows, ds.Columns, ds.SamplesPerPixel)
    except OSError:
        return None


def j2k_precision(stream):
    """Bits and sign of a codestream's first component."""
    at = stream.index(b"\xff\x4f\xff\x51") + 42
    return (stream[at] & 0x7F) + 1, bool(stream[at] & 0x80)


def compressed(name, ds, n):
    syntax, out = str(ds.file_meta.TransferSyntaxUID), []
    for stream in streams(ds, n):
        try:
            v = by_gdcm(ds, stream)
        except Exception:
            raise Broken("corrupt")
        other = by_pillow(ds, stream)
        if other is not None and (other != v).any():
            say(name, f"Pillow differs from GDCM by up to {abs(other - v).max()}")
        bits, signed = ds.BitsStored, bool(ds.PixelRepresentation)
        if syntax in (BASE + ".4.90", BASE + ".4.91"):
            bits, j2k_signed = j2k_precision(stream)
            if bits != ds.BitsStored or j2k_signed != signed:
                say(name, f"codestream of {bits} bits, signed {j2k_signed}; file {ds.BitsStored}, {signed}")
            signed = signed or j2k_signed
        out.append(sign_extend(v, bits) if signed else v & ((1 << bits) - 1))
    return np.stack(out)


def rle(name, ds, n):
    v = rle_handler.get_pixeldata(ds).astype("i8").reshape(n, ds.SamplesPerPixel, ds.Rows, ds.Columns).transpose(0, 2, 3, 1)
    bits = ds.BitsStored
    v = sign_extend(v, bits) if ds.PixelRepresentation else v & ((1 << bits) - 1)
    with tempfile.NamedTemporaryFile() as f:
        subprocess.run(["dcmdrle", ds.filename, f.name], check=True)
        other = native(pydicom.dcmread(f.name), "<", n)
    if (other != v).any():
        say(name, "DCMTK's RLE differs")
    return v


def stored(name, ds, syntax, order):
    """Stored values and their photometric interpretation."""
    if "PixelData" not in ds:
        raise Broken("no image")
    if not ds.get("Rows") or not ds.get("Columns"):
        raise Broken("corrupt")
    try:
        n = int(str(ds.get("NumberOfFrames", 1) or 1))
    except ValueError:
        raise Broken("corrupt")
    photometric = ds.PhotometricInterpretation
    if syntax in NATIVE:
        try:
            v = native(ds, order, n)
        except ValueError:
            raise Broken("corrupt")
        try:
            other = ds.pixel_array.reshape(v.shape)
            if (other.astype("i8") != v).any():
                say(name, "pydicom's native values differ")
        except Exception as e:
            say(name, f"pydicom: {e}")
    elif syntax == BASE + ".5":
        v = rle(name, ds, n)
    else:
        v = compressed(name, ds, n)
        photometric = {"YBR_RCT": "RGB", "YBR_ICT": "RGB"}.get(photometric, photometric)
    if photometric == "YBR_FULL_422":
        photometric = "YBR_FULL"
    return v, photometric


# Rendering


def macro(ds, frame, keyword):
    per = ds.get("PerFrameFunctionalGroupsSequence") or []
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    for group in list(per[frame:frame + 1]) + list(shared[:1]):
        if group.get(keyword):
            return group[keyword].value[0]
    return ds


def table(item, descriptor, data, signed, order):
    """Entries, first input and bits of a lookup table."""
    d = item[descriptor].value
    count, start, bits = int(d[0]) or 65536, int(d[1]), int(d[2])
    if signed and start > 32767:
        start -= 65536
    raw = item[data].value
    if isinstance(raw, bytes):
        wide = len(raw) >= 2 * count
        raw = np.frombuffer(raw, f"{order}u2" if wide else "u1")
    return np.array(raw[:count], "i8"), start, bits


def look_up(entries, start, x):
    return entries[np.clip(x - start, 0, len(entries) - 1)]


def modality(ds, frame, v, order):
    source = macro(ds, frame, "PixelValueTransformationSequence")
    if source.get("ModalityLUTSequence"):
        item = source.ModalityLUTSequence[0]
        entries, start, _ = table(item, "LUTDescriptor", "LUTData", ds.PixelRepresentation, order)
        return look_up(entries, start, v).astype("f8")
    slope, intercept = first(source.get("RescaleSlope"), 1), first(source.get("RescaleIntercept"), 0)
    return v.astype("f8") * float(slope) + float(intercept)


def values(v):
    if v is None or v == "":
        return []
    return [float(x) for x in v] if isinstance(v, pydicom.multival.MultiValue) else [float(v)]


def between(x, low, high):
    with np.errstate(all="ignore"):
        y = (x - low) / (high - low) * 255
    return np.where(x <= low, 0, np.where(x >= high, 255, y))


def voi(ds, frame, x, order):
    """Grey levels by the file's first VOI LUT or window; None without."""
    source = macro(ds, frame, "FrameVOILUTSequence")
    if source.get("VOILUTSequence"):
        entries, start, bits = table(source.VOILUTSequence[0], "LUTDescriptor", "LUTData", x.min() < 0, order)
        return look_up(entries, start, np.floor(x + 0.5).astype("i8")) * 255 / ((1 << bits) - 1)
    pairs = zip(values(source.get("WindowCenter")), values(source.get("WindowWidth")))
    windows = [(c, w) for c, w in pairs if w > 0]
    if not windows:
        return None
    (c, w), function = windows[0], source.get("VOILUTFunction", "LINEAR") or "LINEAR"
    if function == "LINEAR" and w < 1:
        function = "LINEAR_EXACT"
    if function == "SIGMOID":
        return 255 / (1 + np.exp(-4 * (x - c) / w))
    if function == "LINEAR_EXACT":
        low, high, y = c - w / 2, c + w / 2, ((x - c) / w + 0.5) * 255
    else:
        low, high = c - 0.5 - (w - 1) / 2, c - 0.5 + (w - 1) / 2
        y = ((x - (c - 0.5)) / (w - 1) + 0.5) * 255
    return np.where(x <= low, 0, np.where(x > high, 255, y))


def padding(ds, v):
    if "PixelPaddingValue" not in ds:
        return np.zeros(v.shape, bool)

    def word(p):
        p = int(p) & 0xFFFF
        return p - 65536 if ds.PixelRepresentation and p > 32767 else p

    a = word(ds.PixelPaddingValue)
    b = word(ds.get("PixelPaddingRangeLimit", ds.PixelPaddingValue))
    return (v >= min(a, b)) & (v <= max(a, b))


def grey(ds, frame, v, levels, order):
    v = v[..., 0]
    pad, x = padding(ds, v), modality(ds, frame, v, order)
    y = voi(ds, frame, x, order) if levels == "window" else None
    if y is None and levels == "window" and ds.BitsStored <= 8 and not ds.PixelRepresentation and np.array_equal(x, v):
        y = between(x, 0, 2 ** ds.BitsStored - 1)
    if y is None:
        seen = np.sort(x[~pad])
        if not len(seen):
            seen = np.zeros(1)
        if levels == "percentile":
            y = between(x, np.percentile(seen, 0.5), np.percentile(seen, 99.5))
        else:
            y = between(x, seen[0], seen[-1])
    y = np.floor(np.clip(y, 0, 255) + 0.5).astype("i8")
    if ds.PhotometricInterpretation == "MONOCHROME1" or ds.get("PresentationLUTShape") == "INVERSE":
        y = 255 - y
    y[pad] = 0
    return np.repeat(y[..., None], 3, axis=2)


def palette(ds, v, order):
    out = []
    for colour in ("Red", "Green", "Blue"):
        entries, start, bits = table(ds, f"{colour}PaletteColorLookupTableDescriptor", f"{colour}PaletteColorLookupTableData", False, order)
        out.append(look_up(entries, start, v[..., 0]) >> (bits - 8))
    return np.stack(out, axis=2)


def colour(v, photometric, bits):
    if photometric == "YBR_FULL":
        y, cb, cr = (v[..., i].astype("i8") for i in range(3))
        cb, cr = cb - (1 << bits - 1), cr - (1 << bits - 1)
        fixed = [round(c * 65536) for c in (1.402, -0.34414, -0.71414, 1.772)]  # libjpeg's digits
        v = np.stack([y + (fixed[0] * cr + 32768 >> 16), y + (fixed[1] * cb + fixed[2] * cr + 32768 >> 16),
                      y + (fixed[3] * cb + 32768 >> 16)], axis=2).clip(0, (1 << bits) - 1)
    most = (1 << bits) - 1
    return (v * 510 + most) // (2 * most)


def stretch(a, more):
    """Enlarges the first axis, linearly between centres."""
    n = len(a)
    at = np.maximum((2 * np.arange(more) + 1) * n - more, 0)
    k, rest = at // (2 * more), (at % (2 * more))[:, None, None]
    return (a[k] * (2 * more - rest) + a[np.minimum(k + 1, n - 1)] * rest + more) // (2 * more)


def square(ds, frame, p):
    measures = macro(ds, frame, "PixelMeasuresSequence")
    for source, keyword in [(ds, "PixelAspectRatio"), (measures, "PixelSpacing"), (ds, "PixelSpacing"),
                            (ds, "ImagerPixelSpacing"), (ds, "NominalScannedPixelSpacing")]:
        s = values(source.get(keyword))
        if len(s) == 2 and min(s) > 0:
            if s[0] > s[1]:
                return stretch(p, int(np.floor(p.shape[0] * s[0] / s[1] + 0.5)))
            wide = int(np.floor(p.shape[1] * s[1] / s[0] + 0.5))
            return p if wide == p.shape[1] else stretch(p.transpose(1, 0, 2), wide).transpose(1, 0, 2)
    return p


def render(ds, v, photometric, levels, order):
    out = []
    for frame in range(len(v)):
        if photometric.startswith("MONO"):
            p = grey(ds, frame, v[frame], levels, order)
        elif photometric == "PALETTE COLOR":
            p = palette(ds, v[frame], order)
        else:
            p = colour(v[frame], photometric, ds.BitsStored)
        out.append(square(ds, frame, p).astype("u1"))
    return np.stack(out)


def compare(name, ds, v, photometric, order):
    """Prints how pydicom's functions differ from the pipeline above."""
    frame = v[0]
    if photometric == "YBR_FULL":
        other = util.convert_color_space(frame.astype("u1"), "YBR_FULL", "RGB")
        mine = colour(frame, photometric, 8)
        if str(ds.file_meta.TransferSyntaxUID) == BASE + ".4.50":
            image = Image.open(io.BytesIO(streams(ds, len(v))[0])).convert("RGB")
            say(name, f"Pillow's RGB differs by up to {abs(np.asarray(image).astype('i8') - mine).max()}")
    elif photometric == "PALETTE COLOR":
        other, mine = util.apply_color_lut(frame[..., 0].astype("u1"), ds) >> 8, palette(ds, frame, order)
    elif photometric.startswith("MONO") and ("WindowCenter" in ds or "VOILUTSequence" in ds) and ds.get("WindowCenter"):
        x = util.apply_modality_lut(frame[..., 0], ds)
        most = 2.0 ** ds.BitsStored - 1
        raw = pydicom.dataset.Dataset()
        raw.update(ds)
        y = util.apply_voi_lut(x, ds)
        low, high = (-(2.0 ** (ds.BitsStored - 1)), 2.0 ** (ds.BitsStored - 1) - 1) if ds.PixelRepresentation else (0, most)
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        low, high = low * slope + intercept, high * slope + intercept
        other = np.floor((y - low) / (high - low) * 255 + 0.5)
        mine = voi(ds, 0, modality(ds, 0, frame[..., 0], order), order)
        mine = np.floor(mine + 0.5)
    else:
        return
    worst = int(abs(other.astype("f8") - mine).max())
    if worst:
        say(name, f"pydicom's rendering differs by up to {worst}")


# The files


def entry(path, name):
    ds = pydicom.dcmread(path, force=True)
    meta = getattr(ds, "file_meta", None)
    syntax = str(meta.get("TransferSyntaxUID", "")) if meta else ""
    if not syntax:
        syntax = BASE if ds.is_implicit_VR else BASE + (".1" if ds.is_little_endian else ".2")
    order = ">" if syntax == BASE + ".2" else "<"
    out = {"file": name, "syntax": syntax}
    if name.endswith("/no_meta.dcm"):  # its first byte is missing
        return out | {"error": "not dicom"}
    if name.endswith("-embedded-sequence-delimiter.dcm"):  # GDCM complains, then returns something
        return out | {"error": "corrupt"}
    if name.endswith(("/rtplan_truncated.dcm", "/MR_truncated.dcm", "/DICOMDIR-nooffset")):  # they end too early
        return out | {"error": "corrupt"}
    try:
        v, photometric = stored(name, ds, syntax, order)
    except Broken as e:
        return out | {"error": str(e)}
    compare(name, ds, v, photometric, order)
    canonical = v.astype("<u4").view("<i4") if ds.BitsStored == 32 else v.astype("<i4")
    out |= {"photometric": photometric, "shape": list(v.shape), "bits": int(ds.BitsStored),
            "stored": hashlib.sha256(canonical.tobytes()).hexdigest(), "mean": round(float(v.mean()), 6)}
    if syntax in LOSSY:
        out |= {"sample": [int(x) for x in v.ravel()[:: v.size // 64 + 1]]}
    for levels in ("window", "full", "percentile"):
        p = render(ds, v, photometric, levels, order)
        out[levels] = hashlib.sha256(p.tobytes()).hexdigest()
        out["size"] = [p.shape[2], p.shape[1]]
    return out


def main():
    out = []
    for folder, _, names in sorted(os.walk(root)):
        for base in sorted(names):
            path = os.path.join(folder, base)
            name = os.path.relpath(path, root)
            out.append(entry(path, name))
    with open("pixels.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(e) for e in out) + "\n]\n")


main()
