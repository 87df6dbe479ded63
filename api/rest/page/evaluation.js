// The evaluation view: asking for one, watching it, reading it, and comparing models.
// An evaluation is a job of the server, so that its address, #/evaluation/NAME?job=ID,
// can be shared and opened again as long as the server remembers it.
import { ask } from "./api.js";
import { announce, el, empty, failed, fill, loading, settle, style, tabs } from "./ui.js";
import { ended, follow, going, jobPath, kind, list, listed, progress, start } from "./evaluationjob.js";
import { form } from "./evaluationform.js";

export const title = "Evaluation";

const parts = [["runs", "Evaluations"], ["compare", "Compare evaluations"], ["probes", "Probe versions"], ["models", "Another model"]];

export async function open(main, context) {
	await style("evaluation.css");
	const id = context.params.get("job");
	if (id) return reading(main, context, id);
	const panel = el("div", { class: "stack" });
	const first = parts.some(([name]) => name === context.params.get("part")) ? context.params.get("part") : "runs";
	const shown = new Set();
	fill(main, tabs("Parts of evaluation", parts, first, (part) => { context.remember(part === first && shown.size === 0 ? context.params : { part }); show(part); }, panel), panel);
	let stop = new AbortController();
	const show = (part) => {
		stop.abort();
		stop = new AbortController();
		shown.add(part);
		return choose(part, panel, { ...context, params: part === first && shown.size === 1 ? context.params : new URLSearchParams(), signal: AbortSignal.any([context.signal, stop.signal]) });
	};
	return show(first);
}

async function choose(part, panel, context) {
	if (part === "runs") return runs(panel, context);
	const { comparing, probing, remodelling } = await import("./evaluationcompare.js");
	return { compare: comparing, probes: probing, models: remodelling }[part](panel, context);
}

// runs is the form and the evaluations that there are.
async function runs(panel, context) {
	const asked = el("section", { class: "card" }, el("h2", {}, "New evaluation")), past = el("section", { class: "card" }, el("h2", {}, "Evaluations of this collection"));
	const body = el("div"), rest = el("div"), options = given();
	asked.append(body);
	past.append(rest);
	fill(panel, asked, past);
	context.bind({ n: ["New evaluation", () => asked.querySelector("select, button, a")?.focus()] });
	await Promise.all([
		settle(body, () => form(context, options, (asked) => begin(context, asked, body)), (f) => f, { what: "Loading the form", signal: context.signal }),
		settle(rest, () => listed(context.signal, context.name), (jobs) => (jobs.length > 0 ? list(jobs, (id) => context.href("evaluation", { job: id }), context.signal) :
			el("p", { class: "muted" }, "None is remembered. Those that run and those that have ended appear here; the server keeps the last hundred jobs, and of the newest their figures.")), { what: "Loading evaluations", signal: context.signal }),
	]);
}

// carried are the options of an evaluation that is to be changed and run again. They are
// in no address, since a filter may name a patient.
let carried = {};

function given() {
	const options = carried;
	carried = {};
	return options;
}

async function begin(context, options, body) {
	const button = body.querySelector("[type=submit]");
	button.disabled = true;
	body.querySelector(".state.bad")?.remove();
	try {
		const job = await start(context.name, options, context.signal);
		context.go("evaluation", { job: job.id });
	} catch (err) {
		if (err.name === "AbortError") return;
		button.disabled = false;
		body.append(failed(err));
	}
}

// reading follows a job and shows what it has found.
async function reading(main, context, id) {
	const panel = el("div", { class: "stack" });
	fill(main, el("p", { class: "back" }, el("a", { href: context.href("evaluation") }, "← All evaluations of " + context.name)), panel);
	context.bind({ b: ["Back to all evaluations", () => context.go("evaluation")] });
	fill(panel, loading("Loading the evaluation"));
	panel.setAttribute("aria-busy", "true");
	try {
		const job = await watch(panel, context, id);
		panel.removeAttribute("aria-busy");
		if (job) await show(panel, context, job);
	} catch (err) {
		panel.removeAttribute("aria-busy");
		if (err.name === "AbortError" || context.signal.aborted) return;
		if (err.status === 404) fill(panel, empty("The server does not remember this evaluation", `${err.message}. The last hundred jobs are kept, as long as their results are not too large in all.`, el("a", { class: "button primary", href: context.href("evaluation") }, "Run a new one")));
		else if (err.status === 401) throw err;
		else fill(panel, failed(err, context.refresh));
	}
}

// watch resolves with the job once it has ended; undefined where it is of another
// collection, whose address is then opened.
async function watch(panel, context, id) {
	const first = await ask("GET", jobPath(id), { signal: context.signal });
	if (first.kind !== kind) throw Object.assign(new Error(), { status: 404, message: `Job ${id} is no evaluation` });
	if (first.collection !== context.name) {
		context.go("evaluation", context.params, first.collection);
		return undefined;
	}
	if (!going(first)) return first;
	const box = progress(id);
	fill(panel, box);
	panel.removeAttribute("aria-busy");
	const job = await follow(id, context.signal, box.tell);
	announce(job.state === "done" ? "The evaluation is finished." : `The evaluation is ${job.state}.`);
	return job;
}

async function show(panel, context, job) {
	const again = () => {
		carried = job.parameters ? { cases: 0, ...job.parameters } : {};
		context.go("evaluation");
	};
	if (job.state !== "done" || job.result_dropped) return fill(panel, ended(job, again));
	const { report } = await import("./evaluationreport.js");
	return fill(panel, report(context, job, again));
}
