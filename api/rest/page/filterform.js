// The form that adds a filter, or has the whole of it as JSON.
import { ask, collectionPath } from "./api.js";
import { choice, el, fill } from "./ui.js";

const numbers = ["width", "height", "size", "frame"], texts = ["study", "series", "id", "media_type", "name", "patient"];

// addForm is a form for a part of a filter, or, as JSON, for whole. add(part),
// replace(filter) throw what the server says against them; cancel ends it.
export function addForm(context, { whole, add, replace, cancel }) {
	const body = el("div", { class: "row" }), problem = el("p", { class: "bad", role: "alert" }), tasks = context.collection.tasks ?? [];
	let make = () => null;
	const shown = (what) => {
		problem.textContent = "";
		make = what === "json" ? json(body, whole) : what.startsWith("task ") ? ofTask(body, tasks.find((t) => t.name === what.slice(5))) : ofField(body, what.slice(6), context);
	};
	const first = tasks.length > 0 ? "task " + tasks[0].name : "field study";
	const select = el("select", { "aria-label": "Filter by", onchange: (e) => shown(e.target.value) });
	kinds(select, tasks, [], first);
	ask("GET", collectionPath(context.name, "statistics"), { signal: context.signal }).then((s) => { context.values = Object.fromEntries(s.fields.map((f) => [f.field, f.values.map((v) => v.value)])); kinds(select, tasks, Object.keys(context.values), select.value); }).catch(() => {});
	shown(first);
	return el("form", {
		class: "card stack addfilter", "aria-label": "Add a filter", onkeydown: (e) => { if (e.key === "Escape") { e.stopPropagation(); cancel(); } },
		onsubmit: async (e) => {
			e.preventDefault();
			problem.textContent = "";
			try {
				const made = make();
				await (select.value === "json" ? replace(made) : add(made));
			} catch (err) {
				problem.textContent = err.detail || err.message;
			}
		},
	}, el("div", { class: "row" }, el("label", { class: "pick" }, el("span", {}, "Filter by"), select)), body, problem,
	el("div", { class: "row" }, el("button", { type: "submit", class: "primary" }, "Apply"), el("button", { type: "button", class: "quiet", onclick: cancel }, "Cancel")));
}

// kinds are what one may filter by; fields are those of the metadata there is.
function kinds(select, tasks, fields, current) {
	const group = (label, entries) => entries.length > 0 && el("optgroup", { label }, entries.map(([value, text]) => el("option", { value, selected: value === current }, text)));
	fill(select, group("Labels", tasks.map((t) => ["task " + t.name, t.name])),
		group("Image", [...texts, ...numbers, "added"].map((f) => ["field " + f, f.replace("_", " ")])),
		group("Metadata", fields.map((f) => ["field " + f, f])),
		group("Advanced", [["json", "in JSON"]]));
}

// ofTask asks what a task's label says, and returns how to make the filter of it.
function ofTask(body, task) {
	const hows = [["has", "has one of"], ["labelled", "has a label"], ["unlabelled", "has no label"], ["absent", "has none of, as said"], ["uncertain", "is uncertain of"], ["conflicting", "readers contradict each other"]];
	const classes = el("fieldset", { class: "row plain" }, el("legend", { class: "hidden" }, "Classes"),
		(task.classes ?? []).map((c) => el("label", { class: "row" }, el("input", { type: "checkbox", value: c }), c)));
	let how = "has";
	fill(body, choice("whose label", hows, how, (h) => { how = h; classes.hidden = !["has", "absent", "uncertain"].includes(h); }), classes);
	return () => {
		if (how === "labelled" || how === "unlabelled") return { task: task.name, labelled: how === "labelled" };
		if (how === "conflicting") return { task: task.name, conflicting: true };
		const ticked = [...classes.querySelectorAll(":checked")].map((c) => c.value);
		if (ticked.length === 0) throw new Error("Tick a class.");
		return { task: task.name, [how]: ticked };
	};
}

// ofField asks what a field's value is; of several values divided by | one is enough.
function ofField(body, field, context) {
	const isNumber = numbers.includes(field), hows = isNumber ? [["gte", "at least"], ["lte", "at most"], ["eq", "is"]] :
		[["eq", "is"], ["ne", "is not"], ...(field === "added" ? [] : [["prefix", "begins with"]]), ["gte", "at least"], ["lte", "at most"], ["exists", "is there"], ["missing", "is missing"]];
	let how = hows[0][0];
	const list = el("datalist", { id: "filter-values" }, (context.values?.[field] ?? []).map((value) => el("option", { value })));
	const input = el("input", { type: isNumber ? "number" : "text", "aria-label": "Value", list: "filter-values", autocomplete: "off", placeholder: field === "added" ? "2026-01-31" : isNumber ? "" : "several by |" });
	fill(body, choice(field.replace("_", " "), hows, how, (h) => { how = h; input.hidden = h === "exists" || h === "missing"; }), input, list);
	return () => {
		if (how === "exists" || how === "missing") return { field, exists: how === "exists" };
		if (input.value.trim() === "") throw new Error("Give a value.");
		if (isNumber) return { field, [how]: Number(input.value) };
		const several = input.value.split("|").map((v) => v.trim()).filter(Boolean);
		if (several.length > 1 && how === "eq") return { field, in: several };
		return { field, [how]: input.value.trim() };
	};
}

// json has the whole filter as text.
function json(body, whole) {
	const text = el("textarea", { rows: 6, spellcheck: "false", "aria-label": "The whole filter in JSON", "aria-describedby": "filter-hint" }, whole ? JSON.stringify(whole, null, 1) : "");
	fill(body, text, el("p", { id: "filter-hint", class: "muted small" }, 'Such as {"all": [{"field": "Modality", "in": ["CR", "DX"]}, {"not": {"task": "finding", "has": ["normal"]}}]}. Empty is no filter.'));
	return () => {
		if (text.value.trim() === "") return undefined;
		try {
			return JSON.parse(text.value);
		} catch (err) {
			throw new Error(`This is not JSON: ${err.message}`, { cause: err });
		}
	};
}
