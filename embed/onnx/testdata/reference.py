#!/usr/bin/env python3
"""Computes reference.json: what nine models make of fifty pictures.

    NEARCASE_TESTDATA=... /usr/bin/python3 reference.py > reference.json

Written with Pillow 9.4 and NumPy 1.24 alone. The preprocessing follows the
image processors of transformers 4 (CLIP, ViT, Bit, Siglip, ConvNext), timm's
transforms_imagenet_eval and open_clip's image_transform step by step, pads and
crops as they do, and knows nothing of nearcase. The network is a small one with
weights by formula, which the test writes as an ONNX graph:

    patches of side P -> 8 filters, bias, ReLU -> one matrix

of which six filters sum to zero and two take the mean and its negative.

Its vectors are normalised and multiplied by 10,000.
"""
import glob
import json
import math
import os
import sys

import numpy as np
from PIL import Image, ImageOps

DIMENSION, FILTERS = 32, 8
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
HALF = [0.5, 0.5, 0.5]


# The pictures.

def drawn(width, height):
    """A picture by a formula in integers, which the test repeats."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    r = (x * 7 + y * 3) // 2 + (x * y) // 16
    g = ((x - width // 3) ** 2 + (y - height // 2) ** 2) // 50
    b = (x // 5 * 31 + y // 7 * 17)
    return Image.fromarray(np.stack([r, g, b], 2).astype(np.uint8), "RGB")


DRAWN = [(500, 3), (3, 500), (301, 257), (640, 480), (37, 53), (225, 224), (1000, 777), (17, 23), (255, 640), (129, 65)]


def pictures(root):
    files = []
    for pattern, count in (("cxr/*/*.jpeg", 15), ("blood/*/*.png", 25)):
        found = sorted(glob.glob(os.path.join(root, pattern)))
        files += found[:: len(found) // count][:count]
    for f in files:
        yield os.path.relpath(f, root), Image.open(f).convert("RGB")
    for width, height in DRAWN:
        yield "drawn %dx%d" % (width, height), drawn(width, height)


# The preprocessing. Each function returns an array [3, S, S].

def hf_shorter(image, size, resample):
    w, h = image.size
    short, long = (w, h) if w <= h else (h, w)
    new_short, new_long = size, int(size * long / short)
    return image.resize((new_short, new_long) if w <= h else (new_long, new_short), resample=resample)


def hf_center_crop(image, size):
    """image_transforms.center_crop on an array [H, W, 3]."""
    image = np.asarray(image).transpose(2, 0, 1)
    orig_height, orig_width = image.shape[1:]
    top, left = (orig_height - size) // 2, (orig_width - size) // 2
    bottom, right = top + size, left + size
    if top >= 0 and bottom <= orig_height and left >= 0 and right <= orig_width:
        return image[..., top:bottom, left:right].transpose(1, 2, 0)
    new_height, new_width = max(size, orig_height), max(size, orig_width)
    new_image = np.zeros((3, new_height, new_width), image.dtype)
    top_pad, left_pad = math.ceil((new_height - orig_height) / 2), math.ceil((new_width - orig_width) / 2)
    new_image[..., top_pad : top_pad + orig_height, left_pad : left_pad + orig_width] = image
    top, bottom, left, right = top + top_pad, bottom + top_pad, left + left_pad, right + left_pad
    new_image = new_image[..., max(0, top) : min(new_height, bottom), max(0, left) : min(new_width, right)]
    return new_image.transpose(1, 2, 0)


def hf_values(image, c):
    """rescale and normalize."""
    x = (np.asarray(image).astype(np.float64) * c.get("rescale_factor", 1 / 255)).astype(np.float32)
    x = (x - np.array(c["image_mean"], np.float32)) / np.array(c["image_std"], np.float32)
    return x.transpose(2, 0, 1)


def clip(image, c):
    size, crop = c["size"], c["crop_size"]
    image = hf_shorter(image, size["shortest_edge"] if isinstance(size, dict) else size, c["resample"])
    return hf_values(hf_center_crop(image, crop["height"] if isinstance(crop, dict) else crop), c)


def vit(image, c):
    return hf_values(image.resize((c["size"]["width"], c["size"]["height"]), resample=c["resample"]), c)


def convnext(image, c):
    side = c["size"]["shortest_edge"]
    if side < 384:
        image = hf_center_crop(hf_shorter(image, int(side / c["crop_pct"]), c["resample"]), side)
    else:
        image = image.resize((side, side), resample=c["resample"])
    return hf_values(image, c)


NAMES = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}


def tv_center_crop(image, size, fill=(0, 0, 0)):
    """torchvision's center_crop, which pads, and timm's center_crop_or_pad."""
    w, h = image.size
    if size > w or size > h:
        left, top = max(0, (size - w) // 2), max(0, (size - h) // 2)
        padded = Image.new("RGB", (max(w, size), max(h, size)), fill)
        padded.paste(image, (left, top))
        image = padded
        w, h = image.size
    top, left = int(round((h - size) / 2.0)), int(round((w - size) / 2.0))
    return image.crop((left, top, left + size, top + size))


def keep_ratio(image, size, resample):
    """ResizeKeepRatio with longest=1."""
    w, h = image.size
    ratio = max(h / size, w / size)
    return image.resize((round(w / ratio), round(h / ratio)), resample=resample)


def tv_values(image, mean, std):
    x = np.asarray(image).astype(np.float32) / np.float32(255)
    x = (x - np.array(mean, np.float32)) / np.array(std, np.float32)
    return x.transpose(2, 0, 1)


def timm(image, c):
    c = c["pretrained_cfg"]
    side, resample = c["input_size"][1], NAMES[c["interpolation"]]
    scale = math.floor(side / c["crop_pct"])
    if c["crop_mode"] == "border":
        fill = tuple(round(255 * v) for v in c["mean"])
        image = tv_center_crop(keep_ratio(image, scale, resample), side, fill)
    else:
        image = tv_center_crop(hf_shorter(image, scale, resample), side)
    return tv_values(image, c["mean"], c["std"])


def open_clip(image, c):
    side, c = c["model_cfg"]["vision_cfg"]["image_size"], c["preprocess_cfg"]
    fill = (c["fill_color"],) * 3
    return tv_values(tv_center_crop(keep_ratio(image, side, 3), side, fill), c["mean"], c["std"])


def own(image, c):
    """Pillow's pad by Lanczos on black, blue first, channels last, 0 to 255."""
    x = np.asarray(ImageOps.pad(image, (128, 128), method=1)).astype(np.float32)[..., ::-1]
    return ((x - 100) / 50).transpose(2, 0, 1)


# The network.

def weights(n, seed):
    i = np.arange(n, dtype=np.uint64)
    h = (i * np.uint64(2654435761) + np.uint64(seed) * np.uint64(40503)) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    return ((h >> np.uint64(8)).astype(np.float64) / 2**24 - 0.5).astype(np.float32)


def network(x, patch, seed, rows):
    side = x.shape[1]
    grid = side // patch
    half = weights(6 * 3 * patch * patch // 2, seed)
    kernel = np.stack([half, -half], 1).reshape(6, 3 * patch * patch)  # neighbours in x sum to zero
    mean = np.full((1, 3 * patch * patch), 1 / (patch * patch), np.float32)
    kernel = np.concatenate([kernel, mean, -mean])
    bias = (np.arange(FILTERS) + 1) / 16
    x = x.astype(np.float64).reshape(3, grid, patch, grid, patch).transpose(0, 2, 4, 1, 3).reshape(3 * patch * patch, grid * grid)
    maps = np.maximum(kernel.astype(np.float64) @ x + bias[:, None], 0)
    matrix = weights(maps.size * rows * DIMENSION, seed + 1).reshape(maps.size, rows * DIMENSION)
    return maps.reshape(-1) @ matrix.astype(np.float64)


def first(y):
    return y[:DIMENSION]


def average(y):  # of [D, 2, 2]
    return y.reshape(DIMENSION, 4).mean(1)


def patches(y):  # of [T, D] without the first token
    return y.reshape(-1, DIMENSION)[1:].mean(0)


def processor(kind, size, mean, std, **more):
    return dict(image_processor_type=kind, do_resize=True, size=size, do_rescale=True, rescale_factor=1 / 255,
                do_normalize=True, image_mean=mean, image_std=std, **more)


HF, OPEN, TIMM = "preprocessor_config.json", "open_clip_config.json", "config.json"
SQUARE = {"height": 224, "width": 224}


def models():
    """name, configuration file and content, preprocessing, side, output, its shape behind N, patch, pooling"""
    d = DIMENSION
    yield ("clip", HF, dict(crop_size=224, do_center_crop=True, do_normalize=True, do_resize=True,
           feature_extractor_type="CLIPFeatureExtractor", image_mean=CLIP_MEAN, image_std=CLIP_STD, resample=3, size=224),
           clip, 224, "image_embeds", [d], 16, first)
    yield ("vit", HF, processor("ViTImageProcessor", SQUARE, HALF, HALF, resample=2), vit, 224, "last_hidden_state", [3, d], 16, first)
    yield ("dinov2", HF, processor("BitImageProcessor", {"shortest_edge": 256}, IMAGENET_MEAN, IMAGENET_STD, resample=3,
           do_center_crop=True, crop_size=SQUARE), clip, 224, "pooler_output", [d], 16, first)
    yield ("siglip", HF, processor("SiglipImageProcessor", {"height": 448, "width": 448}, HALF, HALF, resample=3), vit, 448, "pooler_output", [d], 32, first)
    yield ("convnext", HF, processor("ConvNextImageProcessor", {"shortest_edge": 224}, IMAGENET_MEAN, IMAGENET_STD, resample=3, crop_pct=0.875),
           convnext, 224, "last_hidden_state", [d, 2, 2], 16, average)
    yield ("resnet50", TIMM, dict(architecture="resnet50", num_features=2048, pretrained_cfg=dict(input_size=[3, 224, 224], interpolation="bicubic",
           crop_pct=0.95, crop_mode="center", mean=IMAGENET_MEAN, std=IMAGENET_STD)), timm, 224, "features", [d], 16, first)
    yield ("timm-border", TIMM, dict(architecture="x", pretrained_cfg=dict(input_size=[3, 160, 160], interpolation="bilinear", crop_pct=0.9,
           crop_mode="border", mean=IMAGENET_MEAN, std=IMAGENET_STD)), timm, 160, "features", [d], 16, first)
    yield ("open-clip-longest", OPEN, dict(model_cfg=dict(embed_dim=d, vision_cfg=dict(image_size=224)), preprocess_cfg=dict(mean=CLIP_MEAN, std=CLIP_STD,
           interpolation="bicubic", resize_mode="longest", fill_color=127)), open_clip, 224, "image_embeds", [d], 16, first)
    yield ("own", "manifest.yaml", dict(name="own", file="model.onnx", input="pixel_values", output="tokens", dimension=d, scale=1,
           resize=dict(mode="longest-pad", size=128, interpolation="lanczos"), mean=[100, 100, 100], std=[50, 50, 50], channels="bgr",
           pooling="mean-tokens", skip=1), own, 128, "tokens", [4, d], 16, patches)


def main():
    images = list(pictures(os.environ["NEARCASE_TESTDATA"]))
    out = []
    for seed, (name, file, config, preprocess, side, output, shape, patch, pool) in enumerate(models()):
        vectors = []
        for _, image in images:
            y = pool(network(preprocess(image, config), patch, 10 * seed, int(np.prod(shape)) // DIMENSION))
            vectors.append([int(round(v)) for v in 10000 * y / np.linalg.norm(y)])
        unit = np.array(vectors) / 10000
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        print("%-18s cosines between pictures: %.3f to %.3f, median %.3f" % (name, cosines.min(), cosines.max(), np.median(cosines)), file=sys.stderr)
        out.append(dict(name=name, file=file, config=config, side=side, output=output, shape=shape, patch=patch, seed=10 * seed, vectors=vectors))
    print('{"images": %s,\n"models": [' % json.dumps([n for n, _ in images]))
    for i, m in enumerate(out):
        vectors = m.pop("vectors")
        print(json.dumps(m)[:-1] + ', "vectors": [\n' + ",\n".join(json.dumps(v, separators=(",", ":")) for v in vectors) + "]}" + ("," if i + 1 < len(out) else ""))
    print("]}")


main()
