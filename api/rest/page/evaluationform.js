// The form that asks for an evaluation: all that the contract takes, with its defaults.
import { ask, collectionPath } from "./api.js";
import { el, empty, number } from "./ui.js";
import { methodKeys } from "./figures.js";
import { filterChips } from "./filter.js";

export const listedCases = 60; // of a cell of a confusion matrix, unless another number is asked for

// form asks how to evaluate and calls begin(options); given are options to begin with.
// It resolves with the form, or with what is missing before anything can be evaluated.
export async function form(context, given, begin) {
	const { collection, name, signal } = context;
	const labelled = collection.status.labelled ?? {}, tasks = collection.tasks ?? [];
	if (tasks.length === 0) return empty("There is nothing to evaluate yet", "An evaluation says how well labels are predicted. This collection has no task to label for; one comes with the labels that are ingested.", el("pre", { tabindex: 0 }, `nearcase ingest --collection ${name} labels.csv`));
	const labels = (t) => Object.values(labelled[t.name] ?? {}).reduce((a, b) => a + b, 0);
	if (!tasks.some(labels)) return empty("There are no labels yet", "An evaluation says how well labels are predicted for patients of whom nothing is known. Label some images of several patients first, at least two of each class.", el("a", { class: "button primary", href: context.href("label") }, "Label images"));
	const [others, fields] = await Promise.all([ask("GET", "/v1/collections", { signal }), columns(name, signal)]);
	const chosen = given.task ?? tasks.find(labels).name;
	const box = el("form", { class: "stack", novalidate: true },
		el("div", { class: "ask" }, el("div", { class: "stack" }, basics(tasks, labels, chosen, given), sides(given)), methods(given), extras(given, fields, tasks, chosen)),
		el("details", { class: "more", open: Boolean(given.collections?.length || given.without_leak) }, el("summary", {}, "More"), el("div", { class: "ask" }, networks(given, others.collections.filter((c) => c.name !== name)), more(given))),
		el("p", { class: "bad", role: "alert", hidden: true }), el("div", { class: "row" }, el("button", { type: "submit", class: "primary" }, "Evaluate"),
			el("span", { class: "muted small" }, "It runs in the background and goes on when you leave.")));
	box.addEventListener("submit", (e) => {
		e.preventDefault();
		const said = box.querySelector("[role=alert]"), { options, problem } = read(box);
		said.hidden = !problem;
		said.textContent = problem?.text ?? "";
		if (problem) problem.input.focus();
		else begin({ ...options, filter });
	});
	let { filter } = given;
	const chips = filterChips(context, filter, (f) => { filter = f; });
	return el("div", { class: "stack" }, el("div", { class: "row" }, el("span", { class: "muted" }, "Labelled images"), chips.node), box);
}

// columns are the metadata fields of a collection's first images.
async function columns(name, signal) {
	const { instances } = await ask("GET", collectionPath(name, "instances"), { query: { limit: 50 }, signal }).catch(() => ({ instances: [] }));
	return [...new Set((instances ?? []).flatMap((i) => Object.keys(i.metadata ?? {})))].sort();
}

const group = (title, ...children) => el("fieldset", {}, el("legend", {}, title), children);
const field = (label, input, hint) => el("label", { class: "field" }, el("span", {}, label), input, hint && el("small", { class: "muted" }, hint));
const check = (name, value, label, checked, hint) => el("label", { class: "check" }, el("input", { type: "checkbox", name, value, checked }), el("span", {}, label, hint && el("small", { class: "muted" }, " " + hint)));
const figures = (name, value, min, max, more = {}) => el("input", { type: "number", name, value, min, max, step: 1, inputmode: "numeric", ...more });

function basics(tasks, labels, chosen, given) {
	const count = (t) => Object.values(labelled[t.name] ?? {}).reduce((a, b) => a + b, 0);
	return group("What", field("Task", el("select", { name: "task" }, tasks.map((t) => el("option", { value: t.name, selected: t.name === chosen }, `${t.name} (${number(labels(t))} labels)`)))),
		el("div", { class: "pair" }, field("Bootstrap rounds", figures("rounds", given.rounds || 1000, 100, 10000), "fewer are quicker"), field("Seed", figures("seed", given.seed ?? 0))));
}

function methods(given) {
	const wanted = given.methods ?? [];
	return group("Methods", el("div", { class: "checks" }, methodKeys.map(([key, label, hint]) => check("methods", key, label, wanted.length === 0 || wanted.includes(key), hint))),
		field("Neighbours that vote (k)", figures("k", given.k || "", 1, 10000, { placeholder: "as the task says" })));
}

// sides is how images are divided: folds, or a division that is given.
function sides(given) {
	const split = given.split, radio = (value, label, checked) => el("label", { class: "check" }, el("input", { type: "radio", name: "sides", value, checked }), el("span", {}, label));
	const folds = el("div", {}, field("Folds, grouped by patient", figures("folds", given.folds || 5, 2, 1000)));
	const by = el("div", { class: "stack tight" }, field("Field or task that tells the side", el("input", { name: "by", value: split?.by ?? "", list: "evaluation-fields", autocomplete: "off" })),
		el("div", { class: "pair" }, field("Learn from", el("input", { name: "train", value: split?.train ?? "", placeholder: "all others" })), field("Test", el("input", { name: "test", value: split?.test ?? "", placeholder: "test" }))));
	const box = group("Division", el("div", { class: "row" }, radio("folds", "Folds", !split), radio("split", "As given", Boolean(split))), folds, by);
	const show = () => { folds.hidden = !(by.hidden = box.querySelector("input:checked").value === "folds"); };
	box.addEventListener("change", show);
	folds.hidden = Boolean(split);
	by.hidden = !split;
	return box;
}

function extras(given, fields, tasks, chosen) {
	const names = [...fields, ...tasks.map((t) => t.name).filter((n) => n !== chosen)], wanted = given.subgroups ?? [], shown = [...new Set([...names, ...wanted])];
	return group("Beside the whole", check("learning_curve", "on", "Learning curve", given.learning_curve, "results by the number of labels; slower"),
		shown.length > 0 && el("div", { class: "checks", role: "group", "aria-label": "Subgroups by" }, el("span", { class: "muted small" }, "Subgroups by"), shown.slice(0, 40).map((n) => check("subgroups", n, n, wanted.includes(n)))),
		field(shown.length > 0 ? "Subgroups by other fields" : "Subgroups by", el("input", { name: "fields", placeholder: "PatientSex, PatientAge", autocomplete: "off" })), el("datalist", { id: "evaluation-fields" }, shown.map((n) => el("option", { value: n }))));
}

function networks(given, others) {
	return group("Compare with networks", others.length === 0 ? el("p", { class: "muted small" }, "There is no other collection.") :
		[el("p", { class: "muted small" }, "Collections with the same images by other networks; images that are not in all are left out."),
			el("div", { class: "checks" }, others.map((c) => check("collections", c.name, c.name, given.collections?.includes(c.name), c.model)))]);
}

const more = (given) => group("What is kept", field("Mistakes that are listed", figures("mistakes", given.mistakes < 0 ? 0 : given.mistakes ?? 100, 0, 100), "of the best method, one of each patient"),
	field("Cases that are listed of each cell", figures("cases", given.cases ?? listedCases, 0, 1000), "of every confusion matrix, the surest first"),
	check("without_leak", "on", "Without the leak check", given.without_leak, "leave out what images divided regardless of patients would show"));

// read is what the form says as {options}, or its first {problem: {input, text}}.
function read(box) {
	const data = new FormData(box), options = { task: data.get("task"), without_images: true };
	const input = (name) => box.querySelector(`[name=${name}]`);
	for (const [name, least, most, empty] of [["rounds", 100, 10000], ["folds", 2, 1000], ["k", 1, 10000, true], ["seed", -(2 ** 53), 2 ** 53], ["mistakes", 0, 100], ["cases", 0, 1000]]) {
		const text = (data.get(name) ?? "").trim(), value = Number(text);
		if (name === "folds" && data.get("sides") === "split" || text === "" && empty) continue;
		if (text === "" || !Number.isInteger(value) || value < least || value > most) return { problem: { input: input(name), text: `${input(name).closest("label").querySelector("span").textContent}: a whole number from ${number(least)} to ${number(most)} is needed.` } };
		options[name] = value;
	}
	if (options.mistakes === 0) options.mistakes = -1;
	return lists(data, options, input);
}

function lists(data, options, input) {
	const methods = data.getAll("methods");
	if (methods.length === 0) return { problem: { input: input("methods"), text: "Choose at least one method." } };
	if (methods.length < methodKeys.length) options.methods = methods;
	if (data.get("sides") === "split") {
		const by = data.get("by").trim();
		if (!by) return { problem: { input: input("by"), text: "Say which field tells the side of an image." } };
		options.split = Object.fromEntries([["by", by], ["train", data.get("train").trim()], ["test", data.get("test").trim()]].filter(([, v]) => v));
	}
	const subgroups = [...new Set([...data.getAll("subgroups"), ...data.get("fields").split(",").map((f) => f.trim()).filter(Boolean)])];
	if (subgroups.length > 0) options.subgroups = subgroups;
	if (data.getAll("collections").length > 0) options.collections = data.getAll("collections");
	for (const name of ["learning_curve", "without_leak"]) if (data.get(name)) options[name] = true;
	return { options };
}
