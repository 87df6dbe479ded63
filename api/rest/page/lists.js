// What is unlike all else in a collection, and what is there more than once, as
// review lists it (docs/review.md).
import { collectionPath, work } from "./api.js";
import { announce, choice, chip, decimal, el, empty, fill, number, settle, share } from "./ui.js";
import { countOf, openInstance } from "./instance.js";
import { alt, shortId, thumb } from "./thumb.js";
import { told } from "./words.js";

const limits = [["20", "20"], ["100", "100"], ["500", "500"]];
const kinds = { unusual: "novel", duplicates: "duplicates" };
const wide = { unusual: novel, duplicates };

// open lists the one or the other in panel, as part.name says; see collection.js.
export async function open(panel, part) {
	const { context, signal, params } = part;
	const body = { kinds: [kinds[part.name]], limit: Number(params.limit) || 20, filter: part.filter, every_image: params.every === "1" || undefined, similarity: Number(params.similarity) || undefined };
	await settle(panel, (wait) => work(collectionPath(context.name, "review"), { body, signal, told: (job) => wait.tell(job.done ?? 0, job.total ?? 0, job.stage) }), (review) => {
		const list = review.lists[0], items = list.items ?? [];
		const notes = [list.problem, ...(list.notes ?? [])].filter(Boolean).map((n) => el("p", { class: "muted small" }, n));
		announce(countOf(items.length, part.name === "unusual" ? "unusual case" : "group") + " listed");
		fill(part.tools, controls(part));
		return [el("p", { role: "status", class: "muted heading" }, heading(part, list)), notes,
			items.length === 0 ? nothing(part, list) : wide[part.name](part, list, items)];
	}, { what: part.name === "unusual" ? "Looking for what is unlike all else" : "Comparing each image with its nearest", signal });
}

function heading({ name }, list) {
	const n = (list.items ?? []).length;
	if (name === "unusual") return `The ${number(n)} most unusual of ${countOf(list.judged, "image")}`;
	const pairs = list.patient_pairs_found ?? 0;
	return `${countOf(list.found, "group")} at a similarity of ${decimal(list.similarity, 4)} or more` + (pairs > 0 ? `; ${countOf(pairs, "pair")} of patients may be one` : "");
}

function controls(part) {
	const { params, reopen } = part;
	return [
		choice("List", limits, params.limit || "20", (limit) => reopen({ limit: limit === "20" ? "" : limit })),
		part.name === "unusual" && choice("Of a patient", [["", "the first image"], ["1", "every image"]], params.every || "", (every) => reopen({ every })),
		part.name === "duplicates" && choice("From a similarity of", [["", "its own choice"], ["0.9", "0.9"], ["0.95", "0.95"], ["0.98", "0.98"], ["0.99", "0.99"], ["0.999", "0.999"]], params.similarity || "", (similarity) => reopen({ similarity })),
	];
}

function nothing({ name }, list) {
	if (list.problem) return empty("There is no list", list.problem);
	return name === "unusual" ? empty("Nothing to list", "No image passes the filter.") : empty("No near-duplicates", "No two images are as similar as that. A smaller similarity finds more.");
}

function novel({ context, signal }, list, items) {
	return el("ol", { class: "cards" }, items.map((item) => el("li", { class: "card found" },
		el("button", { type: "button", class: "show", "aria-label": `Open ${alt(item.id, told(item.labels))}`, onclick: () => openInstance(context, item.id, { step: stepper(items, item) }) }, thumb(context.name, item.id, told(item.labels), signal)),
		el("div", {}, el("h2", {}, `${item.rank}. `, told(item.labels) || "unlabelled"), el("p", { class: "small" }, `Distance ${decimal(item.score)}`, item.percentile !== undefined && ` – farther than ${share(item.percentile, 1)}`),
			el("div", { class: "meter", "aria-hidden": "true" }, el("i", { style: { width: `${100 * (item.percentile ?? 0)}%` } })),
			el("p", { class: "muted small" }, item.reason), el("p", { class: "small" }, el("a", { href: context.href("query", { instance: item.id }) }, "Similar cases"), ` · ${shortId(item.id)}`)))));
}

// stepper goes through the items of a list from one of them.
function stepper(items, item) {
	let at = items.indexOf(item);
	return async (by) => items[at = Math.max(0, Math.min(items.length - 1, at + by))].id;
}

function duplicates({ context, signal }, list, items) {
	return el("ol", { class: "groups" }, items.map((item) => {
		const images = item.group ?? [item], patients = new Set(images.map((i) => i.patient ?? "")), known = !patients.has("");
		const whose = !known ? "patients not all known" : patients.size === 1 ? "one patient" : `${patients.size} different patients`;
		return el("li", { class: "card" },
			el("div", { class: "row" }, el("h2", {}, `${item.rank}. ${countOf(images.length, "image")}`), chip(`similarity ${decimal(item.score, 4)}`), chip(whose, { colour: known && patients.size > 1 ? "var(--warn)" : undefined }),
				(item.contradicts ?? []).map((task) => chip(`${task}: labels contradict`, { colour: "var(--bad)" }))),
			el("div", { class: "sides" }, images.slice(0, 12).map((image) => el("button", { type: "button", class: "show", onclick: () => openInstance(context, image.id, { step: stepper(images, image) }) },
				thumb(context.name, image.id, null, signal), el("span", {}, told(image.labels) || "unlabelled"), el("span", { class: "muted small" }, shortId(image.id) + (image.frame ? `, frame ${image.frame}` : ""))))),
			images.length > 12 && el("p", { class: "muted small" }, `and ${number(images.length - 12)} more`));
	}));
}
