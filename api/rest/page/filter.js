// Filters as chips (docs/filters.md): what is shown passes all of them. Any view
// may have them:
//
//	const filters = filterChips(context, filter, (filter) => …);
//	box.append(filters.node);
import { listInstances } from "./api.js";
import { chip, el, fill } from "./ui.js";
import { addForm } from "./filterform.js";

// filterChips are the parts of a filter (undefined is none) with a way to take away
// and to add some. changed(filter) hears of each filter that the server takes.
export function filterChips(context, filter, changed) {
	let parts = conjuncts(filter);
	const list = el("div", { class: "row filters" }), room = el("div", {});
	const add = el("button", { type: "button", "aria-expanded": "false", onclick: () => (room.firstChild ? shut() : show()) }, "Add filter");
	const put = (next) => { parts = next; draw(); changed(joined(parts)); };
	const shut = () => { fill(room); add.setAttribute("aria-expanded", "false"); add.focus(); };
	const show = () => {
		add.setAttribute("aria-expanded", "true");
		fill(room, addForm(context, { whole: joined(parts), add: async (part) => { await check(context, part); put([...parts, part]); shut(); }, replace: async (f) => { if (f) await check(context, f); put(conjuncts(f)); shut(); }, cancel: shut }));
		room.querySelector("select, textarea, input")?.focus();
	};
	const draw = () => fill(list, parts.map((part, i) => chip(said(part), { title: JSON.stringify(part), drop: () => { put(parts.filter((_, j) => j !== i)); (list.querySelectorAll("button")[Math.max(0, i - 1)] ?? add).focus(); } })), add,
		parts.length > 1 && el("button", { type: "button", class: "quiet", onclick: () => { put([]); add.focus(); } }, "Clear"));
	draw();
	return { node: el("div", { class: "filtering" }, list, room), set: (f) => put(conjuncts(f)), open: show };
}

// check asks the server whether it takes a filter, and throws what it says if not.
export const check = (context, filter) => listInstances(context.name, { filter, limit: 1 }, context.signal);

// conjuncts are the filters that must all pass, joined the one that says so.
const conjuncts = (filter) => (!filter ? [] : filter.all && Object.keys(filter).length === 1 ? filter.all : [filter]);
export const joined = (parts) => (parts.length === 0 ? undefined : parts.length === 1 ? parts[0] : { all: parts });

// shareable is what of a filter may stand in an address: nothing that names a patient,
// a study, a file or a reader.
export function shareable(filter) {
	const kept = joined(conjuncts(filter).filter((part) => !names(part)));
	return kept && JSON.stringify(kept);
}

const names = (filter) => [...filter.all ?? [], ...filter.any ?? [], ...filter.not ? [filter.not] : []].some(names) || "reader" in filter || "source" in filter ||
	(/^(patient|study|series|name|Patient.*|OtherPatient.*|.*Name|.*UID)$/.test(filter.field ?? "") && !["PatientAge", "PatientSex"].includes(filter.field));

// read reads a filter from an address; what is none is no filter.
export function read(text) {
	try {
		const filter = JSON.parse(text);
		return filter && typeof filter === "object" && !Array.isArray(filter) ? filter : undefined;
	} catch {
		return undefined;
	}
}

const signs = { eq: "is", ne: "is not", lt: "<", lte: "≤", gt: ">", gte: "≥", prefix: "begins with" };

// said is a filter in words.
export function said(filter) {
	if (filter.all) return filter.all.map(inner).join(" and ");
	if (filter.any) return filter.any.map(inner).join(" or ");
	if (filter.not) return "not " + inner(filter.not);
	if (filter.task !== undefined) return `${filter.task}: ${saidOfTask(filter)}`;
	if (filter.field === "id" && filter.in?.length > 3) return `${filter.in.length} chosen cases`;
	const { field, exists, in: among, ...rest } = filter;
	return [exists !== undefined && (exists ? "is there" : "is missing"), among && `is ${among.map(short).join(" or ")}`, ...Object.entries(rest).map(([key, value]) => `${signs[key] ?? key} ${short(value)}`)]
		.filter(Boolean).map((s) => `${field} ${s}`).join(" and ");
}

const inner = (filter) => (filter.all || filter.any ? `(${said(filter)})` : said(filter));
const short = (value) => (typeof value === "string" && value.length > 24 ? value.slice(0, 21) + "…" : String(value));

function saidOfTask({ task: _, labelled, has, absent, uncertain, conflicting, reader, source, confidence, since }) {
	const or = (list) => list.join(" or ");
	return [
		labelled !== undefined && (labelled ? "labelled" : "unlabelled"), has && or(has), absent && `no ${or(absent)}`, uncertain && `unsure of ${or(uncertain)}`,
		conflicting !== undefined && (conflicting ? "readers contradict each other" : "readers agree"), reader && `by ${reader.map((r) => r || "all").join(" or ")}`, source && `from ${or(source)}`,
		confidence && `confidence ${Object.entries(confidence).map(([k, v]) => `${signs[k] ?? k} ${v}`).join(" and ")}`, since && `since ${since}`,
	].filter(Boolean).join(", ");
}
