// All that is known of a stored instance, in a dialog. Any view may open it.
import { ask, collectionPath, download, respond } from "./api.js";
import { bytes, chip, colourOf, confirm, dialog, el, failed, fill, loading, number, style, toast, when } from "./ui.js";
import { labelMany } from "./labelmany.js";
import { shortId, whole } from "./thumb.js";
import { nothing, told } from "./words.js";

// openInstance shows an instance. step(by), if there is one, resolves with the ID of
// the next or the one before, or undefined; changed() is called when the instance
// has been labelled or deleted.
export async function openInstance(context, id, { step, changed = () => {} } = {}) {
	await style("collection.css");
	const body = el("div", { class: "instance" });
	let showing = new AbortController();
	const show = async (at) => {
		showing.abort();
		showing = new AbortController();
		const { signal } = showing, path = collectionPath(context.name, "instances", at);
		id = at;
		box.querySelector("h2").textContent = `Case ${shortId(at)}`;
		fill(body, loading());
		try {
			const instance = await ask("GET", path, { signal });
			fill(body, picturePart(context, instance, signal), factsPart(context, instance, path, { again: () => { changed(); show(at); }, gone: () => { box.close(); changed(); } }));
		} catch (err) {
			if (err.name !== "AbortError") fill(body, failed(err, () => show(at)));
		}
	};
	const go = async (by) => { const to = await step(by); if (to && to !== id) show(to); };
	const box = dialog("Case", step && el("div", { class: "row" },
		el("button", { type: "button", onclick: () => go(-1) }, "← Previous"), el("button", { type: "button", onclick: () => go(1) }, "Next →")), body);
	box.classList.add("case");
	const gone = new AbortController();
	box.addEventListener("close", () => { showing.abort(); gone.abort(); });
	box.addEventListener("keydown", (e) => {
		const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
		if (step && by && !e.target.closest("input, select, textarea")) go(by);
	});
	context.signal.addEventListener("abort", () => box.close(), { signal: gone.signal });
	await show(id);
	return box;
}

function picturePart(context, instance, signal) {
	return el("div", { class: "frame" }, whole(context.name, instance, told(instance.labels), signal));
}

function factsPart(context, instance, path, { again, gone }) {
	const facts = [
		["ID", instance.id], ["Patient", instance.patient], ["Study", instance.study], ["Series", instance.series], ["Name", instance.name], ["Frame", instance.frame],
		["Pixels", instance.width && `${instance.width} × ${instance.height}`], ["File", instance.size && `${instance.media_type ?? ""} ${bytes(instance.size)}`], ["Stored", when(instance.added)],
		...Object.entries(instance.metadata ?? {}),
	].filter(([, value]) => value !== undefined && value !== "" && value !== 0);
	const problem = el("p", { class: "bad", role: "alert", hidden: true });
	const tell = (err) => { problem.hidden = false; problem.textContent = err.status === 403 ? `Your key does not allow this: ${err.detail}` : err.detail || err.message; };
	return el("div", { class: "stack" },
		el("div", { class: "row" },
			el("a", { class: "button", href: context.href("query", { instance: instance.id }) }, "Similar cases"),
			el("button", { type: "button", onclick: () => labelMany(context, [instance.id], again) }, "Label"),
			el("button", { type: "button", onclick: () => fetchFile(path, "original", nameOf(instance), tell) }, "Original"),
			el("button", { type: "button", onclick: () => fetchFile(path, "vector", `${shortName(instance.id)}.json`, tell) }, "Vector"),
			el("button", { type: "button", class: "danger", onclick: () => remove(instance, path, gone, tell) }, "Delete")), problem,
		labelsPart(context, instance), historyPart(path),
		el("section", {}, el("h3", {}, "What is known of it"), el("table", { class: "facts" }, el("tbody", {}, facts.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, String(value))))))));
}

const shortName = (id) => id.replace(/[^\w.-]/g, "_").slice(0, 64);

// nameOf is a file's name of ours: the sender's may name a patient.
function nameOf({ id, media_type: type = "" }) {
	const end = { "image/jpeg": ".jpeg", "image/png": ".png", "image/tiff": ".tiff", "image/bmp": ".bmp", "image/gif": ".gif", "image/webp": ".webp", "application/dicom": ".dcm" }[type] ?? "";
	return shortName(id) + end;
}

async function fetchFile(path, part, name, tell) {
	try {
		await download("GET", `${path}/${part}`, name);
	} catch (err) {
		tell(err);
	}
}

async function remove(instance, path, gone, tell) {
	if (!await confirm("Delete this case?", `Case ${shortId(instance.id)} goes with its vector, labels and original. This cannot be undone.`, "Delete")) return;
	try {
		await respond("DELETE", path);
		toast("Deleted.");
		gone();
	} catch (err) {
		tell(err);
	}
}

function labelsPart(context, { labels, label_details: details }) {
	const tasks = context.collection.tasks ?? [], all = Object.entries(labels ?? {});
	const row = (task, l, sub) => el("tr", { class: sub ? "sub" : null }, el("th", { scope: "row" }, sub ? "" : task), el("td", {}, classChips(tasks, task, l)), el("td", {}, l.reader || "all"), el("td", {}, l.source || "–"),
		el("td", { class: "figure" }, l.confidence ? String(l.confidence) : "–"), el("td", {}, when(l.time)));
	return el("section", {}, el("h3", {}, "Labels"), all.length === 0 ? el("p", { class: "muted" }, "There is none yet.") :
		el("table", {}, labelHead(), el("tbody", {}, all.map(([task, l]) => [row(task, details?.[task] ?? l), (details?.[task]?.opinions ?? []).map((o) => row(task, o, true))]))));
}

const labelHead = (first = "Task") => el("thead", {}, el("tr", {}, [first, "Says", "Reader", "Source", "Confidence", "When"].map((t) => el("th", { scope: "col", class: t === "Confidence" ? "figure" : null }, t))));

function classChips(tasks, task, l) {
	const known = tasks.find((t) => t.name === task)?.classes ?? [];
	if (l.removed) return "withdrawn";
	const chips = [...(l.classes ?? []).map((c) => chip(c, { colour: colourOf(known, c) })), ...(l.uncertain ?? []).map((c) => chip(`${c}?`)), ...(l.absent ?? []).map((c) => chip(`no ${c}`))];
	return el("span", { class: "row" }, chips.length > 0 ? chips : nothing(l));
}

function historyPart(path) {
	const room = el("div", {});
	return el("details", {
		ontoggle: async (e) => {
			if (!e.target.open || room.firstChild) return;
			try {
				const { history } = await ask("GET", path + "/history");
				fill(room, history.length === 0 ? el("p", { class: "muted" }, "It has never been labelled.") : el("table", {}, labelHead(), el("tbody", {}, history.map((l) =>
					el("tr", {}, el("th", { scope: "row" }, l.task), el("td", {}, classChips([], l.task, l)), el("td", {}, l.reader || "all"), el("td", {}, l.source || "–"), el("td", { class: "figure" }, l.confidence ? String(l.confidence) : "–"), el("td", {}, when(l.time)))))));
			} catch (err) {
				fill(room, failed(err));
			}
		},
	}, el("summary", {}, "Every label it ever had"), room);
}

export const countOf = (n, one, many = one + "s") => `${number(n)} ${n === 1 ? one : many}`;
