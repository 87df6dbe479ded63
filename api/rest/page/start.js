// Where a query starts: an image that is dropped, pasted or chosen, a folder of a
// study, a stored case, or words.
import { ask, collectionPath } from "./api.js";
import { el, fill, settle, toast } from "./ui.js";
import { keep, knowsWords } from "./asked.js";
import { dropped, sorted } from "./chosen.js";
import { thumb } from "./thumb.js";
import { told } from "./words.js";

// start shows the ways to begin. lost tells that the address is of an image that this
// tab does not have.
export function start(main, context, lost) {
	const patient = el("input", { type: "text", id: "whose", autocomplete: "off", spellcheck: "false", maxlength: 200 });
	const recent = el("section", { class: "card", "aria-label": "Stored cases" }), words = el("div", {});
	fill(main, lost && el("div", { class: "state", role: "status" }, el("p", {}, "This address is of an image that is not stored. Such images stay on the machine where they were chosen; choose it again here.")),
		el("div", { class: "start" }, el("div", { class: "stack" }, zone(main, context, () => patient.value.trim()), whose(patient), words), recent));
	context.bind({ o: ["Choose an image", () => main.querySelector("#files").click()] });
	return recents(recent, words, context);
}

// zone is where images are dropped.
function zone(main, context, whose) {
	const begin = taking(main, context, whose);
	const files = el("input", { type: "file", id: "files", class: "hidden", multiple: true, tabindex: -1, "aria-hidden": "true", onchange: (e) => begin(sorted(e.target.files)) });
	const folder = el("input", { type: "file", id: "folder", class: "hidden", webkitdirectory: true, tabindex: -1, "aria-hidden": "true", onchange: (e) => begin(sorted(e.target.files)) });
	const node = el("section", { class: "zone", "aria-label": "Ask by an image" }, el("i", { class: "icon query", "aria-hidden": "true" }),
		el("h2", {}, "Drop an image to find cases like it"),
		el("p", { class: "muted" }, "DICOM, PNG, JPEG, TIFF, WebP, GIF or BMP, or the folder of a study. You can paste one, too. It is not stored."),
		el("div", { class: "row" }, el("button", { type: "button", class: "primary", onclick: () => files.click() }, "Choose an image ", el("kbd", {}, "o")), el("button", { type: "button", onclick: () => folder.click() }, "Choose a study folder")),
		files, folder);
	return node;
}

// taking takes files that are dropped anywhere in the window, so that none opens in its
// place, or pasted, and returns what begins a query by some. whose() names their patient.
export function taking(main, context, whose = () => "") {
	const { signal } = context;
	const begin = (files) => {
		if (files.length === 0) return toast("There is no file among these that could be an image.", { kind: "bad" });
		return context.go("query", { upload: keep({ kind: "files", files, at: 0, patient: whose() }) });
	};
	const take = async (transfer) => {
		try { begin(await dropped(transfer)); } catch { toast("The files could not be read.", { kind: "bad" }); }
	};
	const over = (is) => main.classList.toggle("over", is);
	addEventListener("dragover", (e) => { e.preventDefault(); over(true); }, { signal });
	addEventListener("dragleave", (e) => { if (!e.relatedTarget) over(false); }, { signal });
	addEventListener("drop", (e) => { e.preventDefault(); over(false); take(e.dataTransfer); }, { signal });
	addEventListener("paste", (e) => {
		if (e.target.closest?.("input, textarea") || e.clipboardData.files.length === 0) return;
		e.preventDefault();
		take(e.clipboardData);
	}, { signal });
	return begin;
}

function whose(input) {
	return el("details", { class: "whose" }, el("summary", {}, "Whose image is it?"), el("div", { class: "row" },
		el("label", { for: "whose" }, "Patient"), input),
		el("p", { class: "muted small" }, "Cases of the patient you name take no part in the answer. A DICOM file says itself whose it is. This is in no address."));
}

function recents(node, words, { name, collection, signal, href, go }) {
	const newest = () => ask("GET", collectionPath(name, "instances"), { query: { sort: "added", order: "desc", limit: 12 }, signal });
	return settle(node, newest, ({ instances }) => {
		if (instances?.length > 0) knowsWords(collection, instances[0].id, signal).then((knows) => fill(words, knows && asking(go)), () => {});
		return [el("h2", {}, "Or start from a stored case"), el("ul", { class: "recent" }, instances?.map((i) =>
			el("li", {}, el("a", { href: href("query", { instance: i.id }) }, thumb(name, i.id, told(i.labels), signal), el("span", { class: "small" }, told(i.labels) || "no label")))))];
	}, { what: "Loading stored cases", signal });
}

function asking(go) {
	const text = el("input", { type: "text", id: "words", maxlength: 1000, placeholder: "consolidation in the left lower lobe" });
	return el("form", { class: "card row words", onsubmit: (e) => { e.preventDefault(); if (text.value.trim()) go("query", { upload: keep({ kind: "text", text: text.value.trim() }) }); } },
		el("label", { for: "words" }, "Or describe what to find"), text, el("button", { type: "submit" }, "Find"));
}
