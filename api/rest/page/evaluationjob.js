// Evaluations as jobs of the server: they go on when the view is left, and are found
// again by their ID.
import { ask, collectionPath, pause } from "./api.js";
import { el, failed, fill, loading, number, toast, when } from "./ui.js";
import { best, estimate, measure, primary, titled } from "./figures.js";

export const kind = "evaluate";
export const jobPath = (id) => "/v1/jobs/" + encodeURIComponent(id);
export const going = (job) => job.state === "running" || job.state === "queued";

// start begins an evaluation and resolves with its job.
export const start = (collection, options, signal) => ask("POST", collectionPath(collection, "evaluate"), { query: { background: true }, body: options, signal });

// listed are the evaluations that the server remembers, of one collection or of all
// that may be seen, the last started first.
export async function listed(signal, collection) {
	const { jobs } = await ask("GET", "/v1/jobs", { signal });
	return jobs.filter((j) => j.kind === kind && (!collection || j.collection === collection));
}

// follow tells how far a job is until it has ended, and resolves with it. Only signal
// ends the following; the job goes on.
export async function follow(id, signal, told) {
	for (; ;) {
		const job = await ask("GET", jobPath(id), { signal });
		told(job);
		if (!going(job)) return job;
		await pause(300, signal);
	}
}

// cancel asks a job to end; who may not is told so.
export async function cancel(id) {
	try {
		await ask("DELETE", jobPath(id));
		toast("Asked to end.");
	} catch (err) {
		toast(err.status === 403 ? "Your key may start evaluations and not end them." : err.message, { kind: "bad" });
	}
}

// remaining says about how long a job still takes, as long as it has been quick.
function remaining(job, now = Date.now()) {
	if (!job.started || job.total <= 0 || job.done <= 0) return "";
	const seconds = ((now - new Date(job.started)) / 1000) * (job.total / job.done - 1);
	if (seconds < 1) return "about done";
	return seconds < 90 ? `about ${Math.ceil(seconds)} s left` : `about ${Math.ceil(seconds / 60)} min left`;
}

// progress shows a job that runs: tell(job) moves it.
export function progress(id) {
	const box = loading("Evaluating", { cancel: () => cancel(id) });
	const move = box.tell;
	box.tell = (job) => move(job.done, job.total, [job.state === "queued" ? "Waiting for its turn" : "Evaluating", job.stage, remaining(job)].filter(Boolean).join(", "));
	return box;
}

// ended is the state of a job without a result: why, and what to do.
export function ended(job, again) {
	const button = el("button", { type: "button", class: "primary", onclick: again }, "Change and run again");
	if (job.state === "cancelled") return el("div", { class: "state" }, el("h2", {}, "This evaluation was cancelled"), el("p", { class: "muted" }, "It has no figures."), button);
	if (job.result_dropped) return el("div", { class: "state" }, el("h2", {}, "The figures of this evaluation are gone"), el("p", { class: "muted" }, "What it told of has been erased, or it was too large to be kept."), button);
	const box = failed(job.problem ?? { title: `The job is ${job.state}`, detail: "" });
	box.append(button);
	return box;
}

const states = { queued: "waiting", running: "running", done: "finished", failed: "failed", cancelled: "cancelled" };
const signs = { done: "good", failed: "bad", cancelled: "", running: "warn", queued: "warn" };
const summaries = new Map(); // of finished jobs, by ID: what they are, in words

// summary says in words what a finished job is: task, methods and the best figure.
export async function summary(id, signal) {
	if (!summaries.has(id)) summaries.set(id, inWords(await ask("GET", jobPath(id), { signal })));
	return summaries.get(id);
}

function inWords({ result: e }) {
	if (!e?.results?.length) return "no figures any more";
	const name = primary(e.results), at = best(e.results, name);
	return `${e.task} · ${e.results.length === 1 ? titled(e, e.results[0]) : number(e.results.length) + " methods"} · AUC ${at < 0 ? "–" : estimate(measure(e.results[at], name))}`;
}

// list shows jobs as rows that open them; those that run move by themselves. New figures
// are described as they come, the newest eight.
export function list(jobs, href, signal) {
	const body = el("tbody", {}, jobs.map((job) => row(job, href, signal)));
	describe(jobs.filter((j) => j.state === "done" && !j.result_dropped).slice(0, 8), body, signal);
	return el("div", { class: "scroll" }, el("table", { class: "runs" }, el("caption", { class: "hidden" }, "Evaluations that the server remembers"),
		el("thead", {}, el("tr", {}, ["Started", "State", "What", ""].map((h) => (h ? el("th", { scope: "col" }, h) : el("td", {}))))), body));
}

function row(job, href, signal) {
	const node = el("tr", { data: { job: job.id } });
	const show = (j) => {
		const title = when(j.created);
		fill(node, el("th", { scope: "row" }, el("a", { href: href(j.id) }, title)),
			el("td", {}, el("span", { class: "row" }, el("i", { class: "dot " + signs[j.state], "aria-hidden": "true" }), states[j.state] ?? j.state)),
			el("td", { class: "what" }, going(j) ? el("progress", { max: 1, value: j.total > 0 ? j.done / j.total : null, "aria-label": `Progress of ${title}` }) : j.problem?.detail || j.problem?.title || (j.result_dropped ? "no figures any more" : "")),
			el("td", { class: "figure" }, going(j) && el("button", { type: "button", class: "small", "aria-label": `Cancel ${title}`, onclick: () => cancel(j.id) }, "Cancel")));
	};
	show(job);
	if (going(job)) follow(job.id, signal, (j) => (going(j) ? move(node, j) : show(j))).then((j) => j.state === "done" && describe([j], node.parentElement, signal)).catch((err) => { if (err.name !== "AbortError") toast(err.message, { kind: "bad" }); });
	return node;
}

function move(node, job) {
	const bar = node.querySelector("progress");
	if (job.total > 0) bar.value = job.done / job.total;
}

async function describe(jobs, body, signal) {
	for (const job of jobs) {
		const words = await summary(job.id, signal).catch(() => "");
		const cell = [...body.rows].find((r) => r.dataset.job === job.id)?.querySelector(".what");
		if (signal.aborted || !cell) return;
		cell.textContent = words;
	}
}
