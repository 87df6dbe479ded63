// Cards of the server itself: its health, its models, and whom it tells of changes.
import { ask, Problem } from "./api.js";
import { button, facts, none, said, sign, table } from "./operationcards.js";
import { bytes, chip, confirm, dialog, el, fill, number, when } from "./ui.js";

export const health = {
	id: "health", title: "Health", every: 4,
	// A server that is not ready says so by a problem, whose errors are its checks.
	async load({ context }) {
		const [ready, version] = await Promise.all([ask("GET", "/readyz", { signal: context.signal }).catch((err) => {
			if (err instanceof Problem && err.status === 503) return { status: "not ready", detail: err.detail, checks: Object.fromEntries(err.errors.map((e) => [e.name, e.status])) };
			throw err;
		}), ask("GET", "/version", { signal: context.signal })]);
		return { ready, version };
	},
	show({ ready, version }) {
		const checks = Object.entries(ready.checks).sort(), degraded = checks.some(([, state]) => state !== "ok");
		const [kind, text] = ready.status !== "ready" ? ["bad", "Not ready"] : degraded ? ["warn", "Ready, and degraded"] : ["good", "Ready"];
		return [
			el("div", { class: "glance" }, el("strong", { class: "verdict" }, sign(kind, text)), ready.detail && el("span", {}, ready.detail),
				Object.entries(names).filter(([name]) => version[name] && version[name] !== "unknown").map(([name, says]) => chip(`${says} ${version[name].replace(/^go/, "")}`))),
			el("ul", { class: "checks" }, checks.map(([name, state]) => el("li", {}, sign(state === "ok" ? "good" : state.startsWith("degraded") ? "warn" : "bad", [el("b", {}, name), " ", state])))),
		];
	},
};

const names = { version: "nearcase", commit: "commit", onnxruntime: "ONNX Runtime", go: "Go" };

export const models = {
	id: "models", title: "Models", every: 20,
	async load({ context }) {
		const { models: all } = await ask("GET", "/v1/models", { signal: context.signal });
		const { collections } = await ask("GET", "/v1/collections", { signal: context.signal });
		return all.map((m) => ({ ...m, used: collections.filter((c) => c.model === m.name).map((c) => c.name) }));
	},
	show: (all) => table("Models", ["Model", "State", "#Numbers", "#Size", "Licence", "Trained on", "Used by"], all.map((m) => [
		[el("b", {}, m.name), m.builtin && " (built in)", m.description && el("div", { class: "muted small" }, m.description)],
		m.problem ? sign("bad", m.problem) : sign("good", "usable"), number(m.dimension), m.bytes ? bytes(m.bytes) : "–", m.licence || "–", m.training_data || "–", m.used.join(", ") || "–",
	])),
};

export const webhooks = {
	id: "webhooks", title: "Webhooks", every: 15,
	load: async ({ context }) => (await ask("GET", "/v1/webhooks", { signal: context.signal })).webhooks,
	show: (all, desk) => all.length === 0 ? none("Nobody is told of changes. nearcase webhooks create makes one.") :
		table("Webhooks", ["Address", "State", "Of", "Taken last", "#Given up", ""], all.map((hook) => [
			el("span", { class: "wrap" }, hook.url), hookState(hook), [hook.collections.join(", ") || "all collections", el("div", { class: "muted small" }, hook.types.join(", ") || "all changes")],
			hook.last ? when(hook.last) : "never", number(hook.dead_letters), el("div", { class: "row" },
				button("Test", "test-" + hook.id, () => test(hook), { "aria-label": "Test " + hook.url }),
				hook.dead_letters > 0 && button("Given up…", "dead-" + hook.id, () => deadLetters(hook, desk), { "aria-label": "Messages given up for " + hook.url })),
		])),
};

function hookState(hook) {
	if (hook.disabled) return sign("warn", "stopped: " + hook.disabled);
	return hook.failure ? sign("bad", `fails: ${hook.failure}; tried ${number(hook.attempts)} times`) : sign("good", "delivers");
}

async function test(hook) {
	const d = await ask("POST", `/v1/webhooks/${encodeURIComponent(hook.id)}/test`);
	said(d.problem ? `The test was not taken: ${d.problem}` : `The test was taken in ${number(Math.round(d.took_ns / 1e6))} ms.`);
}

// deadLetters shows the messages that were given up, to be sent again or dropped.
async function deadLetters(hook, desk) {
	const at = `/v1/webhooks/${encodeURIComponent(hook.id)}/dead-letters`, body = el("div", { class: "stack" });
	const list = async () => {
		const { dead_letters: all } = await ask("GET", at);
		fill(body, all.length === 0 ? none("There is none any more.") : table("Messages given up", ["When", "#Changes", "#Attempts", "Why", ""], all.map((m) => [
			when(m.time), number(m.changes), number(m.attempts), m.problem, el("div", { class: "row" },
				button("Send again", "send-" + m.id, async () => { const d = await ask("POST", `${at}/${encodeURIComponent(m.id)}`); said(d.problem ? `Not taken: ${d.problem}` : "It was taken."); await list(); }),
				button("Drop", "drop-" + m.id, async () => { if (await confirm("Drop this message?", `Its ${number(m.changes)} changes are not told to ${hook.url} any more.`, "Drop")) { await ask("DELETE", `${at}/${encodeURIComponent(m.id)}`); await list(); } }, { class: "danger" })),
		])));
		desk.again("webhooks");
	};
	await list();
	dialog("Messages given up", facts([["For", hook.url]]), body);
}
