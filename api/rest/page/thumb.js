// Thumbnails of stored instances.
import { collectionPath, picture } from "./api.js";
import { storedPicture } from "./pictures.js";
import { el } from "./ui.js";

// shortId is an instance's ID as far as people tell it apart by.
export const shortId = (id) => (id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);

// alt says which instance a picture shows, and how it is labelled.
export const alt = (id, label) => `Case ${shortId(id)}${label ? `, ${label}` : ""}`;

// thumb is an image of an instance, empty until it is there. It stays a ground with
// words where the server has no picture of it. A label of null is for one whose
// instance and label stand beside it as text.
export function thumb(collection, id, label, signal) {
	return shown(picture(collectionPath(collection, "instances", id, "thumbnail"), signal), id, label, signal);
}

// whole is thumb for an instance as it is rendered, held until signal is aborted.
export function whole(collection, instance, label, signal) {
	const url = storedPicture(collection, instance).load({}, signal).then(({ url }) => {
		signal.addEventListener("abort", () => URL.revokeObjectURL(url), { once: true });
		return url;
	});
	return shown(url, instance.id, label, signal);
}

function shown(url, id, label, signal) {
	const box = el("span", { class: "thumb" });
	url.then(
		(src) => box.replaceChildren(el("img", { src, alt: label === null ? "" : alt(id, label), draggable: "false", decoding: "async" })),
		(err) => { if (err.name !== "AbortError" && !signal?.aborted) box.replaceChildren(el("span", { class: "none" }, "no picture")); });
	return box;
}

// thumbImage is thumb as the image itself, so many CSS pixels a side.
export function thumbImage(collection, id, alt, side, signal) {
	const image = el("img", { alt: "", width: side, height: side, draggable: "false" }); // words would be drawn until it is there
	picture(collectionPath(collection, "instances", id, "thumbnail"), signal).then((url) => Object.assign(image, { alt, src: url }), () => { image.alt = "No picture of " + shortId(id); });
	return image;
}
