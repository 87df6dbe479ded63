// Asking the server. The API key is kept in this module's memory alone: it is in
// no URL, no storage and no cookie, and gone with the tab.

let key = "";
const refused = new Set(), left = new Set(), holders = new Set();

export const session = {
	get signedIn() { return key !== ""; },
	signIn(token) { key = token.trim(); forget(); },
	signOut() { key = ""; forget(); },
	// leave is signing out because somebody wants to: nothing of theirs stays.
	leave() { this.signOut(); for (const tell of left) tell(); },
	onRefused(tell) { refused.add(tell); }, // when the server wants a key
	onLeft(tell) { left.add(tell); },
	// holds names who counts what is not stored yet, which would be lost.
	holds(count) { holders.add(count); },
	get unsaved() { return [...holders].reduce((n, count) => n + count(), 0); },
};

// Problem is a refusal of the server, as its problem document (RFC 9457) says it.
// Status 0 is a server that cannot be reached.
export class Problem extends Error {
	constructor(status, document) {
		super(document.detail || document.title || `the server answered ${status}`);
		this.status = status;
		this.title = document.title || "The request failed";
		this.detail = document.detail || "";
		this.code = document.code || "";
		this.errors = document.errors || [];
	}
}

// collectionPath is the path of a collection's part, each name escaped:
// collectionPath("cxr", "instances", id).
export const collectionPath = (...parts) => "/v1/collections/" + parts.map(encodeURIComponent).join("/");

// listInstances asks for a page of a collection's instances by what the contract calls
// ListOptions. A filter may name a patient: it is in no address.
export const listInstances = (name, options, signal) => ask("POST", collectionPath(name, "instances", "list"), { body: options, signal });

// respond asks and returns the response of a 2xx, or throws a Problem; an aborted
// request throws an AbortError. Query values that are "" or undefined are left out,
// lists are repeated. A body that is no FormData, Blob or string is sent as JSON.
export async function respond(method, path, { query = {}, body, signal, headers = {} } = {}) {
	const search = new URLSearchParams();
	for (const [name, value] of Object.entries(query)) {
		for (const one of [value].flat()) if (one !== undefined && one !== null && one !== "") search.append(name, one);
	}
	const sent = { ...headers };
	if (key) sent.Authorization = "Bearer " + key;
	if (body !== undefined && !(body instanceof FormData) && !(body instanceof Blob) && typeof body !== "string") {
		body = JSON.stringify(body);
		sent["Content-Type"] = "application/json";
	}
	let answer;
	try {
		answer = await fetch(path + (search.size ? "?" + search : ""), { method, body, signal, headers: sent, cache: "no-cache", credentials: "omit", referrerPolicy: "no-referrer" });
	} catch (err) {
		if (err.name === "AbortError") throw err;
		throw new Problem(0, { title: "The server cannot be reached", detail: "It may be restarting, or the network is down." });
	}
	if (answer.ok) return answer;
	const document = await answer.json().catch(() => ({}));
	if (answer.status === 401) for (const tell of refused) tell();
	throw new Problem(answer.status, document);
}

// ask is respond for JSON; null where the answer is empty.
export async function ask(method, path, options) {
	const answer = await respond(method, path, options);
	if (answer.status === 204) return null;
	return answer.json();
}

// pages yields the answers of a list page by page, from ask(cursor).
export async function* pages(next) {
	for (let cursor = ""; ;) {
		const page = await next(cursor);
		yield page;
		if (!(cursor = page.next)) return;
	}
}

// work runs a long operation in the background and resolves with its result.
// told(job) hears, a few times a second, how far the job is as the contract
// describes one: state, stage, done and total. An aborted signal asks the job to end.
export async function work(path, { query = {}, body, signal, told = () => {} } = {}) {
	let job = await ask("POST", path, { query: { ...query, background: true }, body, signal });
	const end = () => ask("DELETE", "/v1/jobs/" + encodeURIComponent(job.id)).catch(() => {});
	signal?.addEventListener("abort", end, { once: true });
	try {
		for (; ;) {
			job = await ask("GET", "/v1/jobs/" + encodeURIComponent(job.id), { signal });
			told(job);
			if (job.state !== "running" && job.state !== "queued") break;
			await pause(300, signal);
		}
	} finally {
		signal?.removeEventListener("abort", end);
	}
	if (job.state !== "done") throw new Problem(job.problem?.status ?? 0, job.problem ?? { title: `The job is ${job.state}` });
	if (job.result_dropped) throw new Problem(410, { title: "The result is gone", detail: "What it told of has been erased, or it was too large to be kept." });
	return job.result;
}

// pause resolves after a time in milliseconds, or throws the signal's AbortError.
export function pause(time, signal) {
	return new Promise((resolve, reject) => {
		const end = () => { clearTimeout(timer); reject(signal.reason); };
		const timer = setTimeout(() => { signal?.removeEventListener("abort", end); resolve(); }, time);
		signal?.addEventListener("abort", end, { once: true });
	});
}

// Pictures are fetched with the key and shown as object URLs, at most so many at
// a time and kept, the longest unused going first.
const maxPictures = 400, maxAtOnce = 6, freshFor = 60_000; // milliseconds, as an image may be replaced
const pictures = new Map(); // path to {url, since}
const queue = [];
let busy = 0, asker = 0; // who asks changes with the key

function forget() {
	asker++;
	for (const p of pictures.values()) URL.revokeObjectURL(p.url);
	pictures.clear();
}

// picture resolves with an object URL of the image at path. Do not revoke it. An
// aborted signal lets go of one that has not begun.
export function picture(path, signal) {
	const had = known(path);
	if (had) return Promise.resolve(had);
	return new Promise((resolve, reject) => {
		queue.push({ path, signal, resolve, reject });
		drain();
	});
}

// known is the URL of a picture that is kept and was asked for lately.
function known(path) {
	const had = pictures.get(path);
	if (!had || performance.now() - had.since > freshFor) return undefined;
	pictures.delete(path);
	pictures.set(path, had);
	return had.url;
}

async function drain() {
	if (busy >= maxAtOnce || queue.length === 0) return;
	const { path, signal, resolve, reject } = queue.shift();
	if (signal?.aborted) {
		reject(signal.reason);
		return drain();
	}
	busy++;
	const by = asker;
	try {
		const had = known(path), blob = had ? null : await (await respond("GET", path, { signal })).blob();
		if (by !== asker) throw new DOMException("the key was given up meanwhile", "AbortError");
		resolve(had ?? known(path) ?? keep(path, blob));
	} catch (err) {
		reject(err);
	} finally {
		busy--;
		drain();
	}
}

function keep(path, blob) {
	const url = URL.createObjectURL(blob), old = pictures.get(path);
	if (old) URL.revokeObjectURL(old.url); // an image that shows it goes on doing so
	pictures.delete(path);
	pictures.set(path, { url, since: performance.now() });
	while (pictures.size > maxPictures) {
		const [oldest, { url: gone }] = pictures.entries().next().value;
		pictures.delete(oldest);
		URL.revokeObjectURL(gone);
	}
	return url;
}

// download saves what the server answers under a name of ours.
export async function download(method, path, name, options) {
	save(await (await respond(method, path, options)).blob(), name);
}

// save hands a Blob or text to the browser as a file.
export function save(content, name, type = "text/plain") {
	const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
	const a = document.createElement("a");
	a.href = url;
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 60000);
}
