// The panel that shows how a task's probes move as labels arrive: their version, the
// labels that they know, and how well the version that answers was validated.
import { ask, collectionPath, pause, work } from "./api.js";
import { announce, decimal, el, fill, number, share, svg, toast, when } from "./ui.js";

export class ProbePanel {
	// box is the panel; update asks anew and is called after each label.
	constructor(context, task, desk) {
		Object.assign(this, { context, task, desk, asking: null, again: false, info: null });
		this.figure = el("div", { class: "figures" });
		this.line = el("div", { class: "line" });
		this.note = el("p", { class: "muted small" });
		this.retrain = el("button", { type: "button", onclick: () => this.make() }, "Retrain now");
		this.table = el("tbody");
		this.box = el("section", { class: "card probe", "aria-label": "Probe" },
			el("div", { class: "row" }, el("h2", {}, "Probe"), el("span", { class: "fill" }), this.retrain),
			this.figure, this.line, this.note,
			el("details", {}, el("summary", {}, "Versions"), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Versions of the probes" }, el("table", {},
				el("thead", {}, el("tr", {}, ["Version", "Made"].map((t) => el("th", { scope: "col" }, t)), ["Examples", "Log loss", "Votes right"].map((t) => el("th", { scope: "col", class: "figure" }, t)))), this.table))));
	}

	path(...more) { return collectionPath(this.context.name, "probes", ...more); }

	// update coalesces what is asked for while an answer is on its way, and goes on
	// asking while a version is being made.
	async update() {
		this.again = true;
		this.asking ??= this.loop().finally(() => { this.asking = null; });
		return this.asking;
	}

	async loop() {
		const { signal } = this.context;
		try {
			for (; this.again && !signal.aborted;) {
				this.again = false;
				await this.read();
				if (this.info?.due || this.info?.running) {
					await pause(1000, signal);
					this.again = true;
				}
			}
		} catch (err) {
			if (!signal.aborted) this.note.textContent = `The probes cannot be asked: ${err.detail || err.message}`;
		}
	}

	async read() {
		const { signal } = this.context, { probes } = await ask("GET", this.path(), { signal });
		this.info = probes.find((p) => p.task === this.task.name) ?? null;
		const known = new Set(this.desk.figures.map((f) => `${f.version} ${f.made}`));
		const kept = this.desk.figures.length === 0 ? this.info?.versions ?? [] : [];
		const wanted = new Set([...kept, this.info?.answering].filter(Boolean));
		const asked = await Promise.all([...wanted].map((version) => ask("GET", this.path(this.task.name), { query: { version }, signal }).catch(gone)));
		for (const v of asked) if (v && !known.has(`${v.version} ${v.made}`)) this.desk.figures.push(figureOf(v));
		this.desk.figures.sort((a, b) => a.made.localeCompare(b.made));
		this.show();
	}

	show() {
		const { info, desk } = this, now = desk.figures.find((f) => f.version === info?.answering), at = desk.figures.indexOf(now), former = desk.figures[at - 1];
		this.box.dataset.version = info?.version ?? 0;
		this.box.dataset.answering = info?.answering ?? 0;
		fill(this.figure, fact("Version", number(info?.version ?? 0)), fact("Examples", number(info?.examples ?? 0)), fact("This session", number(desk.stored)),
			fact("Log loss", decimal(now?.loss), change(now?.loss, former?.loss)), fact("Votes right", now?.votes === undefined ? "–" : share(now.votes)));
		fill(this.line, sparkline(desk.figures.filter((f) => f.loss !== undefined)));
		fill(this.table, desk.figures.map((f) => el("tr", {}, el("td", {}, number(f.version)), el("td", {}, when(f.made)), [number(f.examples), decimal(f.loss), f.votes === undefined ? "–" : share(f.votes)].map((t) => el("td", { class: "figure" }, t)))));
		this.note.textContent = standing(info, now);
		this.retrain.disabled = this.making || info?.running || false;
		if (now && this.told !== `${now.version} ${now.made}`) this.moved(now, former);
	}

	// moved tells of a version that answers since the last look.
	moved(now, former) {
		if (this.told) {
			announce(`Probe version ${now.version} answers, validated log loss ${decimal(now.loss)}${former ? `, before ${decimal(former.loss)}` : ""}`);
			this.box.classList.remove("moved");
			requestAnimationFrame(() => this.box.classList.add("moved"));
		}
		this.told = `${now.version} ${now.made}`;
	}

	// make has a version made of all labels there are.
	async make() {
		const { signal } = this.context;
		this.making = this.retrain.disabled = true;
		this.note.textContent = "A version is being made…";
		try {
			await work(this.path(this.task.name, "retrain"), { body: {}, signal, told: (job) => { this.note.textContent = `A version is being made: ${job.stage || job.state}…`; } });
		} catch (err) {
			if (!signal.aborted) toast(`No version was made: ${err.detail || err.message}`, { kind: "bad" });
		}
		this.making = this.retrain.disabled = false;
		await this.update();
	}
}

const gone = (err) => { if (err.status === 404) return null; throw err; };

// figureOf is what a version was validated with: the log loss of the probe that
// answers, and the balanced accuracy of the votes that were chosen.
function figureOf({ version, made, settings, tuning }) {
	const head = tuning[settings.head || tuning.better], voting = tuning.voting;
	const votes = voting?.trials?.find((t) => t.k === voting.k && t.weighting.kind === voting.weighting.kind && t.weighting.temperature === voting.weighting.temperature);
	return { version, made, examples: tuning.examples, loss: head?.log_loss, reasons: head?.reasons ?? [], votes: votes?.balanced_accuracy };
}

// standing says in a sentence where the probes stand.
function standing(info, now) {
	if (!info) return "No probes yet: nothing is labelled.";
	if (info.running) return "A version is being made…";
	const since = info.changed > 0 ? ` ${number(info.changed)} ${info.changed === 1 ? "label has" : "labels have"} changed since.` : "";
	if (info.refused || info.problem) return sentence(info.refused || info.problem);
	if (!now) return "No version has been validated yet." + since;
	if (now.loss === undefined) return `Version ${number(now.version)} is not validated${now.reasons.length > 0 ? ": " + now.reasons[0] : ""}.` + since;
	return `Validated at version ${number(now.version)}${info.pinned ? ", which is pinned" : ""}: of patients it has not seen the truth gets ${share(Math.exp(-now.loss))} (geometric mean).` + since;
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + ".";

const fact = (name, value, more) => el("div", {}, el("span", { class: "muted small" }, name), el("strong", {}, value, more));

// change is how far a loss is from the one before; less is better.
function change(now, before) {
	if (now === undefined || before === undefined || Math.abs(now - before) < 0.0005) return null;
	const better = now < before;
	return el("span", { class: better ? "good" : "warn" }, ` ${better ? "▼" : "▲"} ${decimal(Math.abs(now - before))}`, el("span", { class: "hidden" }, better ? " better" : " worse"));
}

// sparkline draws the log losses of versions in the order they were made.
function sparkline(figures) {
	if (figures.length < 2) return null;
	const width = 300, height = 40, low = Math.min(...figures.map((f) => f.loss)), high = Math.max(...figures.map((f) => f.loss));
	const x = (i) => 4 + i * (width - 8) / (figures.length - 1), y = (loss) => height - 5 - (high > low ? (loss - low) / (high - low) : 0.5) * (height - 10);
	return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Validated log loss of ${figures.length} versions, from ${decimal(figures[0].loss)} to ${decimal(figures.at(-1).loss)}` },
		svg("polyline", { points: figures.map((f, i) => `${x(i)},${y(f.loss)}`).join(" ") }),
		figures.map((f, i) => svg("circle", { cx: x(i), cy: y(f.loss), r: i === figures.length - 1 ? 4 : 2.5 }, svg("title", {}, `Version ${f.version}: ${decimal(f.loss)}`))));
}
