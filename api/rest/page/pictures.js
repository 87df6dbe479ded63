// Where a viewer's pictures come from: a stored instance, rendered by the server; a
// file that the browser can show; any other file, rendered by the server without
// being kept. A source is
//
//	load(view, signal)   resolves with {url, frames, window}, view being the parameters
//	                     frame, window, levels and viewport of the contract
//	medical              whether there may be a window
//	width                of the original in pixels, 0 where that is not known
//	inverted             whether low values are bright, as far as that is known
//
// and whoever loads revokes the url.
import { collectionPath, respond } from "./api.js";

const shown = new Set(["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"]);

// storedPicture is the source of an instance as the server describes it.
export function storedPicture(collection, instance) {
	const path = collectionPath(collection, "instances", instance.id, "rendered");
	return {
		load: async (view, signal) => rendered(await respond("GET", path, { query: view, signal })),
		medical: instance.media_type === "application/dicom", width: instance.width ?? 0, frame: instance.frame ?? 1,
		inverted: instance.metadata?.PhotometricInterpretation === "MONOCHROME1",
	};
}

// casePicture is the source of a case of an answer, which tells less of it.
export const casePicture = (collection, c) => storedPicture(collection, { ...c, media_type: c.metadata?.Modality ? "application/dicom" : "" });

// filePicture is the source of a file.
export function filePicture(file) {
	if (shown.has(file.type)) {
		return { load: async () => ({ url: URL.createObjectURL(file), frames: 1, window: null }), medical: false, width: 0, frame: 1 };
	}
	const source = { medical: false, width: 0, frame: 1, inverted: false };
	source.load = async (view, signal) => {
		Object.assign(source, await looked(file));
		return rendered(await respond("POST", "/v1/render", { query: view, body: form(file), signal }));
	};
	return source;
}

// form is a body with an image. Its name stays here, as it may name a patient.
export function form(file, query) {
	const body = new FormData();
	if (query) body.append("query", JSON.stringify(query));
	body.append("image", file, "image");
	return body;
}

async function rendered(answer) {
	const { headers } = answer;
	return { url: URL.createObjectURL(await answer.blob()), frames: Number(headers.get("Nearcase-Frames")) || 1, window: readWindow(headers.get("Nearcase-Window")) };
}

// readWindow reads a window as the parameter has it; null where there is none.
function readWindow(text) {
	const [centre, width, shape = ""] = (text ?? "").split(",");
	return Number(width) > 0 && Number.isFinite(Number(centre)) ? { centre: Number(centre), width: Number(width), shape } : null;
}

export const writeWindow = ({ centre, width, shape }) => [centre, width, shape].filter((part) => part !== "" && part !== undefined).join(",");

// looked tells by the beginning of a file whether it is no TIFF but DICOM, and has the
// Photometric Interpretation MONOCHROME1 (PS3.3 C.7.6.3.1.2).
async function looked(file) {
	const begin = new TextDecoder("latin1").decode(await file.slice(0, 1 << 16).arrayBuffer());
	return { medical: !/^(II[*+]|MM\0[*+])/.test(begin), inverted: begin.includes("MONOCHROME1") };
}
