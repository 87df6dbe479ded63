// Files that are dropped, pasted or chosen.

const mostFiles = 1000;
const noImages = /^(\.|DICOMDIR$|Thumbs\.db$|desktop\.ini$)/i;

// dropped are the files of a drop or of the clipboard, those of folders included.
export async function dropped(transfer) {
	const entries = [...transfer.items].filter((i) => i.kind === "file").map((i) => i.webkitGetAsEntry?.() ?? null);
	if (entries.length === 0 || entries.includes(null)) return sorted([...transfer.files]);
	const files = [];
	for (const entry of entries) await walk(entry, files);
	return sorted(files);
}

async function walk(entry, files) {
	if (files.length >= mostFiles) return;
	if (entry.isFile) {
		files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
		return;
	}
	const reader = entry.createReader();
	for (; ;) {
		const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
		if (some.length === 0) return;
		for (const e of some) await walk(e, files);
	}
}

// sorted are the files that may be images, in the order of their paths.
export function sorted(files) {
	const path = (f) => f.webkitRelativePath || f.name;
	return [...files].filter((f) => f.size > 0 && !noImages.test(f.name)).slice(0, mostFiles)
		.sort((a, b) => path(a).localeCompare(path(b), "en", { numeric: true }));
}
