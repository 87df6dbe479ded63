// Thumbnails of stored instances.
import { collectionPath, picture, respond } from "./api.js";
import { el } from "./ui.js";

// shortId is an instance's ID as far as people tell it apart by.
export const shortId = (id) => (id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);

// alt says which instance a picture shows, and how it is labelled.
export const alt = (id, label) => `Case ${shortId(id)}${label ? `, ${label}` : ""}`;

// told is what labels by task say, "" where there is none: a label that has no class is
// one, too. Labels are lists of classes, or what an instance has of each task.
export const told = (labels) => Object.values(labels ?? {}).map((l) => found(l).join(", ") || (l.partial ? "nothing mentioned" : "nothing present")).join(", ");

// found are the classes that a label finds, or may find.
export const found = (l) => (Array.isArray(l) ? l : [...l.classes ?? [], ...(l.uncertain ?? []).map((c) => c + "?")]);

// thumb is an image of an instance, empty until it is there. It stays a ground with
// words where the server has no picture of it. A label of null is for one whose
// instance and label stand beside it as text.
export function thumb(collection, id, label, signal) {
	return shown(picture(collectionPath(collection, "instances", id, "thumbnail"), signal), id, label, signal);
}

// whole is thumb for an instance as it is rendered, held until signal is aborted.
export function whole(collection, id, label, signal) {
	const url = respond("GET", collectionPath(collection, "instances", id, "rendered"), { signal }).then((r) => r.blob()).then((blob) => {
		if (signal.aborted) throw signal.reason;
		const src = URL.createObjectURL(blob);
		signal.addEventListener("abort", () => URL.revokeObjectURL(src), { once: true });
		return src;
	});
	return shown(url, id, label, signal);
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
	const image = el("img", { alt, width: side, height: side, draggable: "false" });
	picture(collectionPath(collection, "instances", id, "thumbnail"), signal).then((url) => { image.src = url; }, () => { image.alt = "No picture of " + shortId(id); });
	return image;
}
