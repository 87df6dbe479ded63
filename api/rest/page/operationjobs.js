// Cards of work in the background: jobs, backups and verification.
import { ask } from "./api.js";
import { button, facts, lasting, none, said, sign, table } from "./operationcards.js";
import { bytes, confirm, decimal, dialog, el, number, when } from "./ui.js";

const isUnderWay = (job) => job.state === "running" || job.state === "queued";
const signs = { queued: ["", "waits"], running: ["warn", "running"], done: ["good", "done"], failed: ["bad", "failed"], cancelled: ["", "cancelled"] };
const atFirst = 8; // jobs that are shown before the others are unfolded

export const jobs = {
	id: "jobs", title: "Jobs", every: 2,
	async load({ context }) {
		const { jobs: all } = await ask("GET", "/v1/jobs", { signal: context.signal });
		for (const j of all.filter((j) => j.state === "done" && j.kind in outcomes && !ended.has(j.id)).slice(0, atFirst)) ended.set(j.id, outcomes[j.kind](await ask("GET", "/v1/jobs/" + encodeURIComponent(j.id), { signal: context.signal })));
		return all;
	},
	show(all, desk) {
		tellEnds(all);
		const sorted = [...all.filter(isUnderWay), ...all.filter((j) => !isUnderWay(j))], list = (some) => table("Jobs", ["Job", "Collection", "State", "Progress", "Began", "#Took", ""], some.map((j) => row(j, desk)));
		if (all.length === 0) return none("No work in the background is remembered.");
		return [list(sorted.slice(0, atFirst)), sorted.length > atFirst && el("details", { data: { is: "more" } }, el("summary", {}, `${number(sorted.length - atFirst)} more`), list(sorted.slice(atFirst)))];
	},
};

// ended has in a line what jobs have returned, by their ID.
const ended = new Map();
const outcomes = {
	verify: ({ result: r }) => r && (r.found === 0 ? "nothing is wrong" : `${number(r.found)} findings`),
	reindex: ({ result: r }) => r && `${r.engine}, recall@10 ${decimal(r.recall_at_10)}, before ${decimal(r.recall_at_10_before)}`,
	compact: ({ result: r }) => r && (r.bytes_after < r.bytes_before ? `${bytes(r.bytes_before - r.bytes_after)} less` : "nothing to give back"),
	backup: ({ result: r }) => r && `${r.base ? "incremental" : "full"}, ${bytes(r.size)}`,
};

// awaited are jobs that were begun here, whose end is told.
const awaited = new Map();

function tellEnds(all) {
	for (const job of all) {
		if (!awaited.has(job.id) || isUnderWay(job)) continue;
		const then = awaited.get(job.id);
		awaited.delete(job.id);
		said(`The ${nameOf(job)} is ${signs[job.state][1]}${job.problem ? ": " + (job.problem.detail || job.problem.title) : "."}`);
		then();
	}
}

// begin starts a job; when it ends that is told, and the cards named are renewed.
export async function begin(desk, path, { query, body } = {}, ...cards) {
	const job = await ask("POST", path, { query, body });
	awaited.set(job.id, () => desk.again(...cards));
	said(`The ${nameOf(job)} has begun.`);
	await desk.again("jobs");
}

const nameOf = (job) => job.kind + (job.collection ? ` of ${job.collection}` : "");

function row(job, desk) {
	const [kind, word] = signs[job.state];
	return [
		el("b", {}, job.kind), job.collection || "–", sign(kind, word), progress(job), when(job.started ?? job.created),
		job.started ? lasting(job.started, job.ended ?? new Date()) : "–",
		el("div", { class: "row" }, isUnderWay(job) ? button("Cancel", "cancel-" + job.id, () => cancel(job, desk), { "aria-label": `Cancel the ${nameOf(job)}` })
			: button("Details", "details-" + job.id, () => details(job), { "aria-label": `Details of the ${nameOf(job)}, ${when(job.created)}`, "aria-haspopup": "dialog" })),
	];
}

function progress(job) {
	if (job.state === "failed") return el("span", { class: "bad" }, job.problem?.detail || job.problem?.title || "no reason is known");
	if (!isUnderWay(job)) return [ended.get(job.id), job.attempts > 1 && `after ${number(job.attempts)} attempts`].filter(Boolean).join(", ");
	const share = job.total > 0 ? Math.min(1, job.done / job.total) : 0;
	return [job.total > 0 && el("progress", { max: 1, value: share, "aria-label": `Progress of the ${nameOf(job)}` }),
		el("span", { class: "small" }, [job.stage, job.total > 0 && `${number(job.done)} of ${number(Math.max(job.done, job.total))}`].filter(Boolean).join(", ") || "waits for its turn")];
}

async function cancel(job, desk) {
	if (!await confirm(`Cancel the ${nameOf(job)}?`, "What it has done so far may be lost.", "Cancel the job")) return;
	await ask("DELETE", "/v1/jobs/" + encodeURIComponent(job.id));
	await desk.again("jobs");
}

async function details(brief) {
	const job = await ask("GET", "/v1/jobs/" + encodeURIComponent(brief.id));
	dialog(`The ${nameOf(job)}`, facts([
		["State", sign(...signs[job.state])], ["Asked", when(job.created)], ["Began", job.started && when(job.started)], ["Ended", job.ended && when(job.ended)],
		["Took", job.started && job.ended && lasting(job.started, job.ended)], ["Attempts", job.attempts > 1 ? number(job.attempts) : ""],
		["Problem", job.problem && el("span", { class: "bad" }, job.problem.detail || job.problem.title)],
	]), Object.keys(job.parameters ?? {}).length > 0 && el("h3", {}, "Asked for"), plain(job.parameters), job.result && el("h3", {}, "Result"), result(job));
}

// result tells what a job returned: of the kinds of this view in words, of others what
// of it is a word or a number.
function result(job) {
	if (job.result_dropped) return none("The result is gone: what it told of has been erased, or it was too large to be kept.");
	return job.kind === "verify" && job.result ? verified(job.result) : job.kind === "reindex" && job.result ? reindexed(job.result) : job.kind === "compact" && job.result ? compacted(job.result) : plain(job.result);
}

const plain = (value) => value && facts(Object.entries(value).filter(([, v]) => ["string", "number", "boolean"].includes(typeof v))
	.map(([name, v]) => [name.replaceAll("_", " ").replace(/ ns$/, ""), name.endsWith("_ns") ? lasting(v) : typeof v === "number" ? (Number.isInteger(v) ? number(v) : decimal(v)) : el("span", { class: "wrap" }, String(v))]));

const reindexed = (r) => table("The index now and before", ["", "#Now", "#Before"], [
	["Engine", r.engine, r.engine_before], ["Recall@10", decimal(r.recall_at_10), decimal(r.recall_at_10_before)],
	["Queries a second", number(Math.round(r.queries_per_second)), number(Math.round(r.queries_per_second_before))], ["Same ten cases", `${number(r.same)} of ${number(r.sampled)}`, ""],
]);

const compacted = (r) => facts([["Before", bytes(r.bytes_before)], ["After", bytes(r.bytes_after)], ["Entries kept", number(r.kept)], ["Took", lasting(r.took_ns)]]);

export const backups = {
	id: "backups", title: "Backups", every: 20,
	load: async ({ context }) => (await ask("GET", "/v1/backups", { signal: context.signal })).backups,
	show(all, desk) {
		const newest = [...all].sort((a, b) => b.created.localeCompare(a.created)), make = (body) => begin(desk, "/v1/backups", { body }, "backups");
		return [
			newest.length === 0 ? none("No backup is known.") : table("Backups", ["State of", "Kind", "#Instances", "#Size", "Whole", "Encrypted", "Where"], newest.slice(0, 10).map((b) => [
				when(b.created), b.base ? "incremental" : "full", number(b.collections.reduce((sum, c) => sum + c.instances, 0)), b.ended ? bytes(b.size) : "–",
				!b.ended ? sign("warn", "not finished") : b.damaged > 0 ? sign("bad", `${number(b.damaged)} damaged`) : sign("good", "whole"), b.encrypted ? "yes" : "no", el("span", { class: "wrap small" }, b.where),
			])),
			newest.length > 10 && none(`${number(newest.length - 10)} older ones: nearcase backup list.`),
			el("div", { class: "row" }, button("Back up all", "full", () => make({})), button("Back up what has changed", "incremental", () => make({ incremental: true }))),
		];
	},
};

export const verification = {
	id: "verification", title: "Verification", every: 10,
	// The last one's result, for those who may see it.
	async load({ context }) {
		const { jobs: all } = await ask("GET", "/v1/jobs", { signal: context.signal });
		const last = all.find((j) => j.kind === "verify" && j.state === "done"), under = all.some((j) => j.kind === "verify" && isUnderWay(j));
		return { under, last: last && await ask("GET", "/v1/jobs/" + encodeURIComponent(last.id), { signal: context.signal }) };
	},
	show: ({ last, under }, desk) => [
		last ? [el("p", { class: "muted" }, `Ended ${when(last.ended)}`), last.result ? verified(last.result) : none("Its result is gone.")] : none("Nothing has been verified of late. It reads all that is stored, and embeds some of it again."),
		el("div", { class: "row" }, button(under ? "It is running" : "Verify now", "verify", () => begin(desk, "/v1/verifications", { body: {} }, "verification"), { disabled: under })),
	],
};

// verified shows what a verification has read and found.
function verified(v) {
	const open = v.findings.filter((f) => !f.mended).length;
	return el("div", { class: "stack" }, sign(v.found === 0 ? "good" : open > 0 ? "bad" : "warn", v.found === 0 ? "Nothing is wrong" : `${number(v.found)} findings`),
		facts([...Object.entries(v.read).map(([what, n]) => [plurals[what] ?? what, number(n)]), ["Embedded again", `${number(v.embedded)}${v.furthest === undefined ? "" : `, furthest ${decimal(v.furthest, 6)}`}`], ["Probes fitted anew", number(v.probes)], ["Took", lasting(v.took_ns)]]),
		v.findings.length > 0 && table("Findings", ["Collection", "What", "Name", "Why", ""], v.findings.slice(0, 100).map((f) => [f.collection || "–", f.what, el("span", { class: "wrap" }, f.name || (f.key ? `key ${f.key}` : "–")), f.reason, f.mended ? "made anew" : ""])));
}

const plurals = { entry: "Entries", vector: "Vectors", original: "Originals", index: "Rows of indexes", derived: "Derived files", document: "Documents" };
