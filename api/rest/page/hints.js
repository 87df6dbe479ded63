// What to do about refusals of a query, by the codes of the contract.

const hints = {
	image_unknown: "It is no image that the server knows. DICOM, PNG, JPEG, TIFF, WebP, GIF and BMP are.",
	image_unsupported: "The file is an image of a kind that the server does not decode. Export it in another transfer syntax, such as Explicit VR Little Endian, and ask again.",
	image_corrupt: "The file is damaged or was cut off. Export it again.",
	image_empty: "The file has no content.",
	image_too_large: "Ask by a smaller image, or have the server's limits raised.",
	body_too_large: "Ask by a smaller image, or have the server's limits raised.",
	codec_missing: "The server lacks a library that this compression needs. Whoever runs it can add that.",
	no_pixels: "This file has no image in it, as reports and plans have none. Choose another of the study.",
	image_not_embeddable: "The network makes nothing of this image, which may be of one grey level.",
	no_text_tower: "This collection's model knows no words. Ask by an image.",
	model_broken: "The collection's model cannot be run. Whoever runs the server finds the reason in its log, and nearcase models verify checks all models.",
	labels_insufficient: "Label a few cases of each class first.",
	scope_missing: "Asking needs a key that may read.",
	instance_not_found: "A case of this query is gone. Take its mark away, or start anew.",
	timeout: "The server is busy. Try again in a moment.",
	busy: "The server is busy. Try again in a moment.",
};

// hint is what a reader may do about a Problem; "" where nothing is known.
export const hint = (err) => hints[err.code] ?? (err.status === 0 ? "A file larger than the server takes ends like this, too." : "");
