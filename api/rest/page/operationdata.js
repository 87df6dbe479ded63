// Cards of the collections: their indexes, what they take, and their change of model.
import { ask, collectionPath } from "./api.js";
import { attempt, button, none, sign, table } from "./operationcards.js";
import { begin } from "./operationjobs.js";
import { bytes, choice, confirm, decimal, dialog, el, number, share } from "./ui.js";

const list = async ({ context }) => (await ask("GET", "/v1/collections", { signal: context.signal })).collections;
// ofEach asks for a part of each collection.
const ofEach = async (desk, part, query) => Promise.all((await list(desk)).map(async (c) => ({ collection: c, of: await ask("GET", collectionPath(c.name, part), { query: query?.(c), signal: desk.context.signal }) })));
const nothing = "There is no collection yet. nearcase ingest --collection NAME labels.csv makes one.";

export const collections = {
	id: "collections", title: "Indexes", every: 10,
	load: list,
	show: (all, desk) => all.length === 0 ? none(nothing) : table("Indexes", ["Collection", "Model", "Engine", "#Rows", "#Memory", "#Recall@10", "#Damaged", ""], all.map((c) => {
		const { engine, index, damaged } = c.status, behind = c.index.engine !== "auto" && c.index.engine !== engine;
		return [
			el("a", { href: desk.context.href("collection", {}, c.name) }, c.name), c.model, behind ? sign("warn", `${engine}; ${c.index.engine} is being built`) : engine + (c.index.engine === "auto" ? " (auto)" : ""),
			number(index.rows), [bytes(index.bytes), index.mapped_bytes > 0 && el("div", { class: "muted small" }, `${bytes(index.mapped_bytes)} mapped`)],
			engine === "exact" ? "1" : index.recall ? decimal(index.recall) : "not sampled", damaged > 0 ? el("span", { class: "bad" }, number(damaged)) : "0",
			button("Reindex…", "reindex-" + c.name, () => reindex(c, desk), { "aria-label": "Reindex " + c.name, "aria-haspopup": "dialog" }),
		];
	})),
};

const engines = [["auto", "auto: a scan while it is small, then a graph"], ["graph", "graph"], ["exact", "exact: a scan"], ["coder", "coder"]];

// reindex asks which index to build.
function reindex(c, desk) {
	let engine = c.index.engine || "auto";
	const least = el("input", { type: "number", id: "least", min: 0.01, max: 1, step: 0.01, value: 0.9 });
	const box = dialog(`Reindex ${c.name}`, el("form", {
		class: "stack", onsubmit: async (e) => {
			e.preventDefault();
			box.close();
			await attempt(() => begin(desk, collectionPath(c.name, "reindex"), { query: { background: true }, body: { engine, min_recall: Number(least.value) } }, "collections", "storage"));
		},
	}, el("p", { class: "muted" }, "The new index is built while the old one answers. Then both are asked for the ten nearest of stored images."),
		choice("Engine", engines, engine, (chosen) => { engine = chosen; }), el("label", { class: "pick", for: "least" }, el("span", {}, "Give it up below recall@10"), least),
		el("div", { class: "row end" }, el("button", { type: "button", onclick: () => box.close() }, "Cancel"), el("button", { type: "submit", class: "primary" }, "Reindex"))));
}

export const storage = {
	id: "storage", title: "Storage", every: 20,
	load: async (desk) => (await ofEach(desk, "statistics")).map(({ collection, of }) => ({
		name: collection.name, instances: of.instances, patients: of.patients, deleted: of.deleted_not_compacted, disk: of.disk_bytes, quota: { bytes: collection.max_bytes, instances: collection.max_instances }, counted: collection.status.bytes,
	})),
	show(all, desk) {
		if (all.length === 0) return none(nothing);
		const wasted = all.reduce((sum, c) => sum + c.deleted, 0);
		return [
			table("Storage", ["Collection", "#Instances", "#Patients", "#Log", "#Originals", "#Index", "#Derived", "Quota", "#Deleted"], all.map((c) => [
				c.name, number(c.instances), number(c.patients), bytes(c.disk.log), bytes(c.disk.originals), bytes(c.disk.index), bytes(c.disk.derived), quota(c), c.deleted > 0 ? el("b", { class: "warn" }, number(c.deleted)) : "0",
			])),
			el("div", { class: "row" }, button("Compact now", "compact", async () => {
				if (await confirm("Compact the store?", "The log is written once more without what was deleted. That takes room for it twice; everything else goes on.", "Compact")) await begin(desk, "/v1/compactions", {}, "storage");
			}), el("span", { class: "muted small" }, wasted > 0 ? `${number(wasted)} deleted instances are still in the log.` : "Nothing that was deleted is in the log.")),
		];
	},
};

const quota = ({ quota: q, instances, counted }) => [q.instances && `${share(instances / q.instances)} of ${number(q.instances)} instances`, q.bytes && `${share(counted / q.bytes)} of ${bytes(q.bytes)}`].filter(Boolean).join(", ") || "none";

export const reembedding = {
	id: "reembedding", title: "Another model", every: 10,
	// With its own model named, a collection of which nothing has begun tells that.
	async load(desk) {
		const { models } = await ask("GET", "/v1/models", { signal: desk.context.signal });
		return (await ofEach(desk, "reembedding", (c) => ({ model: c.model }))).map(({ collection, of }) => ({ name: collection.name, of, others: models.filter((m) => m.name !== collection.model && !m.problem).map((m) => m.name) }));
	},
	show: (all, desk) => all.length === 0 ? none(nothing) : table("Change of model", ["Collection", "Answers by", "State", "Agreement", ""], all.map((c) => [
		c.name, c.of.model, state(c), agreement(c.of.report), actions(c, desk),
	])),
};

function state({ of, others }) {
	const of1 = `${number(of.done)} of ${number(of.instances)}`;
	if (of.state === "planned") return others.length > 0 ? "nothing has begun" : "there is no other model";
	if (of.state === "switched") return sign("good", `${of.other_model} from before is kept (${bytes(of.cost.disk_bytes)})`);
	if (of.state === "embedded") return sign("good", `${of.other_model} has ${of1}${of.missing > 0 ? `, ${number(of.missing)} cannot be` : ""}`);
	return [sign("warn", `${of.other_model} has ${of1}${of.images_per_second > 0 ? `, ${decimal(of.images_per_second, 1)} a second` : ""}`), of.instances > 0 && el("progress", { max: 1, value: Math.min(1, of.done / of.instances), "aria-label": `Embedded by ${of.other_model}` })];
}

const agreement = (report) => report ? [`${share(report.overlap.mean.value, 1)} of the ${report.overlap.k} nearest are the same`, (report.tasks ?? []).map((t) => el("div", { class: "muted small" }, t.problem ? `${t.task}: ${t.problem}` : `${t.task}: ${meanAUC(t)}`))] : "–";

function meanAUC(task) {
	const mean = task.auc.find((a) => a.method === "probe" && !a.class);
	return mean ? `AUC of the probe ${decimal(mean.after.value)}, before ${decimal(mean.before.value)}` : "no AUC";
}

// actions are what can be done now about a collection's other model.
function actions({ name, of, others }, desk) {
	const at = (...parts) => collectionPath(name, "reembedding", ...parts), is = (what) => `${what}-${name}`, after = ["reembedding", "collections", "models", "storage"];
	const drop = (text) => button(text, is("drop"), async () => {
		if (!await confirm(`Drop the vectors of ${of.other_model}?`, of.state === "switched" ? "There is no way back to that model then but to embed everything again." : "What has been embedded so far is lost.", "Drop")) return;
		await ask("DELETE", at());
		await desk.again(...after);
	}, { class: "danger" });
	const change = (part, text, why) => button(text, is(part), async () => { if (await confirm(`${text} of ${name}?`, why, text)) await begin(desk, at(part), { body: part === "back" ? {} : undefined }, ...after); });
	return el("div", { class: "row" }, of.state === "planned" && others.length > 0 && button("Embed again…", is("embed"), () => embed(name, others, desk), { "aria-label": "Embed again " + name, "aria-haspopup": "dialog" }),
		of.state === "embedded" && change("switch", "Switch the model", `${of.other_model} answers from then on; ${of.model} is kept for the way back.`),
		of.state === "switched" && change("back", "Switch back", `${of.other_model} answers again, once it has what came meanwhile.`),
		of.state === "embedding" && !of.job && button("Go on", is("embed"), () => begin(desk, at(), { body: { model: of.other_model } }, ...after)), of.state !== "planned" && drop(of.state === "switched" ? "Drop the one before" : "Give it up"));
}

// embed asks for the model to embed a collection with.
function embed(name, others, desk) {
	let model = others[0];
	const box = dialog(`Embed ${name} again`, el("form", {
		class: "stack", onsubmit: async (e) => {
			e.preventDefault();
			box.close();
			await attempt(() => begin(desk, collectionPath(name, "reembedding"), { body: { model } }, "reembedding", "storage"));
		},
	}, el("p", { class: "muted" }, "The originals are embedded by the other model while this one answers; then both are compared, and you decide."),
		choice("Model", others.map((m) => [m, m]), model, (chosen) => { model = chosen; }),
		el("div", { class: "row end" }, el("button", { type: "button", onclick: () => box.close() }, "Cancel"), el("button", { type: "submit", class: "primary" }, "Embed"))));
}
