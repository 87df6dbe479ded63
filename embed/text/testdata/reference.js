// Writes reference.json: small tokenizers and what Hugging Face's tokenizers
// library makes of hard texts by them, as the oracle of the tests. The committed
// file came from release 0.22.2 of the library, as this package has it:
//
//	npm install --ignore-scripts --prefix /tmp/oracle @anush008/tokenizers@0.6.0
//	NODE_PATH=/tmp/oracle/node_modules node reference.js > reference.json

const { Tokenizer, TruncationDirection } = require("@anush008/tokenizers");

const corpus = `a photo of a red picture, a photo of a green picture, a bright blue picture and a dark one
chest radiograph frontal and lateral view with no acute cardiopulmonary abnormality
pleural effusion left lower lobe consolidation consistent with pneumonia
fundus photograph of the right eye with moderate nonproliferative diabetic retinopathy
dermatoscopic image of melanoma, nevus, basal cell carcinoma, actinic keratosis
mammogram with a spiculated mass and pleomorphic microcalcifications, BI-RADS 5
the patient's heart isn't enlarged; they're well, i'm sure we'll see what i'd said and what we've seen
histopathology of colorectal adenocarcinoma epithelium, 20x magnification, h&e stain
computed tomography of the abdomen with contrast, 3 mm slices, 120 kvp
cardiomegaly, atelectasis, pneumothorax, oedema, emphysema, fibrosis, hernia, nodule`;

const texts = [
  "", " ", "   ", "\t\n\r ", "a", "A", "a photo of a cat", "A PHOTO of a Dog", "  leading and trailing  ",
  "a  photo\tof\na   thing", "chest radiograph", "no acute cardiopulmonary abnormality",
  "pleural effusion, left lower lobe", "BI-RADS 5", "T2-weighted MRI (FLAIR)", "120 kVp, 3 mm", "10x20x30mm", "1234567890",
  "3.14159", "1,000,000", "½ ² ³ ¼ Ⅷ ①", "٣٤٥ ४५६", "h&e stain @ 20x", "p<0.05", "a≥b", "38°C", "5µm 5μm",
  "it's", "IT'S", "we've they're I'm you'll I'd isn't", "'s 't 're", "it’s", "''quoted''", "rock'n'roll", "'ſ",
  "naïve café résumé", "nai\u0308ve cafe\u0301", "Ångström A\u030angstro\u0308m", "ǆ ǅ Ǆ", "ÆØÅ æøå", "straße STRASSE ẞ",
  "İstanbul ıI", "ΑΣΑΣ σς", "Ω Ω K Å", "пневмония ЛЁГКИХ", "肺炎", "胸部X線写真", "폐렴 진단", "\u1111\u1171\u11b6", "กำลัง", "हिन्दी क्षि",
  "שלום עולם", "مرحبا بالعالم", "ﬁ ﬂ ﬃ ﬆ", "ｆｕｌｌ　ｗｉｄｔｈ", "ﷺ", "™ ® ©", "№ ℡", "x² + y³",
  "😀", "👩‍⚕️ doctor", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "❤️", "a\u200db", "a\u200cb", "zero\u200bwidth", "\u00adsoft", "\ufefftext",
  "non\u00a0breaking", "em\u2003space", "line\u2028sep", "next\u0085line", "\u000bvt", "ideographic\u3000space",
  "a\u0000b", "\u0001\u0002\u007f", "bell\u0007", "a\ufffdb", "\u0378unassigned", "\ue000private", "e\u0301\u0302\u0323", "\u0301start",
  "ﬁ\u0301", "①\u0301", "ｱﾞ", "\r\n", "a\r\nb", "Ａ\u0300", "\u0600٣",
  "pneumonoultramicroscopicsilicovolcanoconiosis", "x".repeat(120), "ab".repeat(200), "Donaudampfschifffahrtsgesellschaft",
  "snake_case camelCase kebab-case", "foo.bar(baz)[0] = {x: 1};", "a/b\\c|d", "!?!?...", "—–‐", "«guillemets»", "“curly” ‘quotes’", "¿Qué? ¡No!",
  "https://example.org/a?b=c#d", "user@example.org", "$100 €200 ¥300", "50% ± 3", "~`^", "#hashtag", "a_b __c__",
  "<|startoftext|>", "<|endoftext|>", "a <|endoftext|> b", "<|ENDOFTEXT|>", "a<|endoftext|>b", "[CLS] a [SEP]", "[MASK]", "[mask] x", "a [MASK]b",
  "<pad> </s> <unk>", "</s>", "a</s>b", "</w>", "##ing", "▁", "▁a▁b", "a ▁ b", "Ġ", "<0x41>", "é<0x41>",
  "word tag word", "wordtag", "tag", "tagtag tag", " tag ", "éTAG tag.", "  spaced  tag  ", "Tag", "TAG",
  "melanoma melanoma melanoma", "a photo of a ".repeat(40), "nodule, ".repeat(60), "é ".repeat(90), "The patient's heart isn't enlarged.",
  "Dermatoscopic image of a nevus", "fundus photograph with moderate nonproliferative diabetic retinopathy", "spiculated mass & pleomorphic microcalcifications",
  "a dark blue picture", "a bright green picture", "red", "RED.", "green-blue", "blue  blue",
];

// words of the corpus, lower case, with their counts
function words() {
  const counts = new Map();
  for (const w of corpus.toLowerCase().match(/[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+/gu)) counts.set(w, (counts.get(w) || 0) + 1);
  return counts;
}

// the printable characters of byte-level tokenizers
function byteAlphabet() {
  const out = [];
  let next = 256;
  for (let b = 0; b < 256; b++) {
    const own = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    out.push(String.fromCodePoint(own ? b : next++));
  }
  return out;
}

// merges trained on the corpus: the most frequent pair, first by name of equals
function train(suffix, n) {
  let ws = [...words()].map(([w, c]) => [[...w].map((x, i, all) => x + (i == all.length - 1 ? suffix : "")), c]);
  const merges = [];
  for (let k = 0; k < n; k++) {
    const counts = new Map();
    for (const [s, c] of ws)
      for (let i = 0; i + 1 < s.length; i++) counts.set(s[i] + " " + s[i + 1], (counts.get(s[i] + " " + s[i + 1]) || 0) + c);
    const best = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0];
    if (!best) break;
    const [a, b] = best[0].split(" ");
    merges.push([a, b]);
    ws = ws.map(([s, c]) => {
      const t = [];
      for (let i = 0; i < s.length; i++) {
        if (i + 1 < s.length && s[i] == a && s[i + 1] == b) t.push(a + b), i++;
        else t.push(s[i]);
      }
      return [t, c];
    });
  }
  return merges;
}

const index = (tokens) => Object.fromEntries([...new Set(tokens)].map((t, i) => [t, i]));
const added = (id, content, o = {}) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...o });
const file = (o) => ({ version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...o });
const sequence = (normalizers) => ({ type: "Sequence", normalizers });
const inOrder = (pretokenizers) => ({ type: "Sequence", pretokenizers });
const regex = (type, r, o) => ({ type, pattern: { Regex: r }, ...o });
const replace = (r, content) => regex("Replace", r, { content });
const isolate = (r, behavior = "Isolated", invert = false) => regex("Split", r, { behavior, invert });
const byteLevel = (o = {}) => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true, ...o });

function clip(pairs) {
  const merges = train("</w>", 260);
  const alphabet = byteAlphabet();
  const vocab = index([...alphabet, ...alphabet.map((c) => c + "</w>"), ...merges.map((m) => m.join("")), "<|startoftext|>", "<|endoftext|>"]);
  const start = vocab["<|startoftext|>"], end = vocab["<|endoftext|>"];
  return file({
    added_tokens: [added(start, "<|startoftext|>", { normalized: true }), added(end, "<|endoftext|>")],
    normalizer: sequence([{ type: "NFC" }, replace("\\s+", " "), { type: "Lowercase" }]),
    pre_tokenizer: inOrder([
      isolate("'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", "Removed", true),
      byteLevel({ use_regex: false }),
    ]),
    post_processor: { type: "RobertaProcessing", sep: ["<|endoftext|>", end], cls: ["<|startoftext|>", start], trim_offsets: false, add_prefix_space: false },
    padding: { strategy: { Fixed: 77 }, direction: "Right", pad_to_multiple_of: null, pad_id: end, pad_type_id: 0, pad_token: "<|endoftext|>" },
    model: {
      type: "BPE", dropout: null, unk_token: "<|endoftext|>", continuing_subword_prefix: "", end_of_word_suffix: "</w>", fuse_unk: false, vocab,
      merges: pairs ? merges : merges.map((m) => m.join(" ")),
    },
  });
}

function bert(lowercase) {
  const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
  for (const c of "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?-'&()<>é肺") pieces.push(c, "##" + c);
  for (const c of "ABCDEFGPRST") pieces.push(c);
  for (const [w, c] of words()) {
    if (c > 1 || w.length < 6) pieces.push(w);
    else pieces.push(w.slice(0, 5), "##" + w.slice(5), "##" + w.slice(-3));
  }
  const vocab = index(pieces);
  return file({
    added_tokens: pieces.slice(0, 5).map((t, i) => added(i, t, t == "[MASK]" ? { lstrip: true } : {})),
    normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "[CLS]", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "[SEP]", type_id: 0 } }],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] }, "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] } },
    },
    model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab },
  });
}

// a double-array trie as of Darts-clone, with the strings that it leads to
function charsmap(table) {
  const root = { next: new Map() };
  let strings = Buffer.alloc(0);
  for (const [from, to] of Object.entries(table)) {
    let node = root;
    for (const b of Buffer.from(from)) {
      if (!node.next.has(b)) node.next.set(b, { next: new Map() });
      node = node.next.get(b);
    }
    node.value = strings.length;
    strings = Buffer.concat([strings, Buffer.from(to + "\0")]);
  }
  const units = [0], used = new Set([0]);
  const place = (node, at) => {
    const labels = [...node.next.keys()];
    if (node.value !== undefined) labels.push(0);
    let base = 1;
    while (labels.some((l) => used.has(base ^ l))) base++;
    labels.forEach((l) => used.add(base ^ l));
    units[at] = (units[at] | ((at ^ base) << 10) | (node.value !== undefined ? 1 << 8 : 0)) >>> 0;
    if (node.value !== undefined) units[base] = (node.value | (1 << 31)) >>> 0;
    for (const [b, child] of node.next) units[base ^ b] = b;
    for (const [b, child] of node.next) place(child, base ^ b);
  };
  place(root, 0);
  while (units.length % 256) units.push(0); // every label is looked up somewhere
  const out = Buffer.alloc(4 + 4 * units.length);
  out.writeUInt32LE(4 * units.length, 0);
  for (let i = 0; i < units.length; i++) out.writeUInt32LE(units[i] ?? 0, 4 + 4 * i);
  return Buffer.concat([out, strings]).toString("base64");
}

const table = {
  "\t": " ", "\n": " ", "\r": " ", "\r\n": " ", "\u00a0": " ", "\u3000": " ", "\u2003": " ", "\u200b": " ", "\ufeff": "", "\u00ad": "", "\u0001": "",
  "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "™": "TM", "①": "1", "½": "1⁄2", "²": "2", "³": "3", "Å": "Å", "Ω": "Ω", "ﷺ": "صلى الله عليه وسلم",
  "e\u0301": "é", "i\u0308": "ï", "A\u030a": "Å", "Ａ": "A", "ｆ": "f", "ｕ": "u", "ｌ": "l", "ｱ": "ア", "ｱﾞ": "ア\u3099", "№": "No",
};

// scores by length and count, so that no two ways are alike
function unigram(extra, o = {}) {
  const tokens = new Map([["<pad>", 0], ["</s>", 0], ["<unk>", 0]]);
  const put = (t, s) => tokens.has(t) || tokens.set(t, s);
  for (const t of extra) put(t, -9 - tokens.size / 97);
  for (const c of "▁abcdefghijklmnopqrstuvwxyzTM0123456789.,'-é") put(c, -6.1 - tokens.size / 101);
  for (const [w, c] of words()) {
    put("▁" + w, -7.7 + c / 7 - tokens.size / 1009);
    if (w.length > 6) put(w.slice(-4), -7.2 - tokens.size / 211), put("▁" + w.slice(0, 4), -7.9 - tokens.size / 307);
  }
  return { type: "Unigram", unk_id: 2, vocab: [...tokens], byte_fallback: false, ...o };
}

const bytes = [...Array(256).keys()].map((b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
const punctuation = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]";
const endOnly = {
  type: "TemplateProcessing", single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }], pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 0 } }],
  special_tokens: { "</s>": { id: "</s>", ids: [1], tokens: ["</s>"] } },
};
const specials = ["<pad>", "</s>", "<unk>"].map((t, i) => added(i, t));

function siglip(o = {}) {
  return file({
    added_tokens: specials,
    normalizer: sequence([{ type: "Lowercase" }, replace(punctuation, ""), replace("\\s+", " "), { type: "Strip", strip_left: true, strip_right: true }, { type: "Precompiled", precompiled_charsmap: charsmap(table) }]),
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
    post_processor: endOnly,
    model: unigram([]),
    ...o,
  });
}

function gpt2() {
  const merges = train("", 200);
  const vocab = index(["<|endoftext|>", ...byteAlphabet(), "Ġa", ...merges.map((m) => m.join(""))]);
  return file({
    added_tokens: [added(0, "<|endoftext|>", { normalized: true }), added(Object.keys(vocab).length, "tag", { special: false, single_word: true, normalized: true })],
    pre_tokenizer: byteLevel({ add_prefix_space: true }),
    post_processor: { type: "Sequence", processors: [byteLevel(), { type: "BertProcessing", sep: ["<|endoftext|>", 0], cls: ["a", vocab["a"]] }] },
    model: { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: true, vocab, merges: [["Ġ", "a"], ...merges] },
  });
}

function llama(o = {}) {
  const merges = train("", 200);
  const vocab = index(["<unk>", "<s>", "</s>", ...bytes.slice(0, 200), ..."▁abcdefghijklmnopqrstuvwxyz,.'", ...merges.map((m) => m.join(""))].filter((t) => t != "$"));
  for (const m of merges) for (const t of m) if (!(t in vocab)) vocab[t] = Object.keys(vocab).length;
  return file({
    added_tokens: ["<unk>", "<s>", "</s>"].map((t, i) => added(i, t)),
    normalizer: sequence([{ type: "Prepend", prepend: "▁" }, { type: "Replace", pattern: { String: " " }, content: "▁" }]),
    model: { type: "BPE", dropout: null, unk_token: "<unk>", continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, vocab, merges },
    ...o,
  });
}

const tokenizers = {
  "clip": clip(false), "clip, merges as pairs": clip(true), "bert": bert(true), "bert, cased": bert(false), "siglip": siglip(),
  "siglip, bytes": siglip({ model: unigram(bytes, { byte_fallback: true }), normalizer: null, pre_tokenizer: inOrder([{ type: "WhitespaceSplit" }, { type: "Metaspace", replacement: "▁", add_prefix_space: true, prepend_scheme: "always" }]) }),
  "siglip, one piece": siglip({ normalizer: null, pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: false } }),
  "gpt2": gpt2(), "llama": llama(), "llama, unknown apart": (() => { const t = llama(); t.model.fuse_unk = false; t.model.byte_fallback = false; return t; })(),
  "pieces with prefix": file({ model: { type: "BPE", dropout: null, unk_token: "?", continuing_subword_prefix: "~", end_of_word_suffix: null, fuse_unk: false, vocab: index(["?", "a", "~a", "b", "~b", "ab", "~ab", "aba", "r", "~e", "~d", "re", "red"]), merges: [["a", "~b"], ["~a", "~b"], ["ab", "~a"], ["r", "~e"], ["re", "~d"]] }, pre_tokenizer: { type: "Whitespace" } }),
};

// Models that only spell: every piece of a text comes out as its bytes and a bar.
const gpt4 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const spellers = {
  "nothing": {},
  "NFC": { normalizer: { type: "NFC" } }, "NFD": { normalizer: { type: "NFD" } }, "NFKC": { normalizer: { type: "NFKC" } }, "NFKD": { normalizer: { type: "NFKD" } },
  "Lowercase": { normalizer: { type: "Lowercase" } }, "StripAccents": { normalizer: sequence([{ type: "NFD" }, { type: "StripAccents" }]) },
  "Strip left": { normalizer: { type: "Strip", strip_left: true, strip_right: false } }, "Strip right": { normalizer: { type: "Strip", strip_left: false, strip_right: true } },
  "Prepend": { normalizer: { type: "Prepend", prepend: "▁" } }, "Precompiled": { normalizer: { type: "Precompiled", precompiled_charsmap: charsmap(table) } },
  "Bert, nothing": { normalizer: { type: "BertNormalizer", clean_text: false, handle_chinese_chars: false, strip_accents: false, lowercase: false } },
  "Bert, clean": { normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: false, strip_accents: null, lowercase: false } },
  "Bert, ideographs": { normalizer: { type: "BertNormalizer", clean_text: false, handle_chinese_chars: true, strip_accents: false, lowercase: true } },
  "Bert, accents": { normalizer: { type: "BertNormalizer", clean_text: false, handle_chinese_chars: false, strip_accents: true, lowercase: false } },
  "Replace text": { normalizer: { type: "Replace", pattern: { String: "a." }, content: "<>" } }, "Replace regex": { normalizer: replace("[aeiou]{2,}|\\d+", "*") },
  "Replace spaces": { normalizer: sequence([replace(" {2,}", "▁"), replace("\\s", "_")]) },
  "Whitespace": { pre_tokenizer: { type: "Whitespace" } }, "WhitespaceSplit": { pre_tokenizer: { type: "WhitespaceSplit" } }, "BertPreTokenizer": { pre_tokenizer: { type: "BertPreTokenizer" } },
  "Digits": { pre_tokenizer: { type: "Digits", individual_digits: false } }, "Digits, individual": { pre_tokenizer: { type: "Digits", individual_digits: true } },
  "Metaspace": { pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true } }, "Metaspace, never": { pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "never", split: true } },
  "Metaspace, first": { pre_tokenizer: inOrder([{ type: "WhitespaceSplit" }, { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true }]) },
  "ByteLevel": { pre_tokenizer: byteLevel() }, "ByteLevel, prefix": { pre_tokenizer: byteLevel({ add_prefix_space: true }) }, "ByteLevel, whole": { pre_tokenizer: byteLevel({ use_regex: false }) },
  "GPT-4": { pre_tokenizer: isolate(gpt4) }, "CLIP": { pre_tokenizer: isolate("'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", "Removed", true) },
  "tokens": { added_tokens: [added(256, "tag", { single_word: true, special: false }), added(257, "[MASK]", { lstrip: true, rstrip: true }), added(258, "word", { normalized: true, special: false }), added(259, "wordtag", { normalized: true, special: false }), added(260, "TAG", { rstrip: true })], normalizer: { type: "Lowercase" }, pre_tokenizer: { type: "Whitespace" } },
  "tokens and Metaspace": { added_tokens: [added(256, "</s>", {}), added(257, "a ", { special: false })], pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true } },
};
for (const b of ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]) {
  spellers["Punctuation, " + b] = { pre_tokenizer: { type: "Punctuation", behavior: b } };
  spellers["Split, " + b] = { pre_tokenizer: isolate("\\p{P}|\\s", b) };
  spellers["Split, inverted, " + b] = { pre_tokenizer: isolate("\\p{L}+|\\d", b, true) };
}
spellers["Split text"] = { pre_tokenizer: { type: "Split", pattern: { String: "." }, behavior: "MergedWithPrevious", invert: false } };

const speller = { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: "|", fuse_unk: false, byte_fallback: true, vocab: index(bytes), merges: [] };

(async () => {
  const models = [];
  for (const [name, t] of Object.entries(tokenizers)) {
    const free = Tokenizer.fromString(JSON.stringify({ ...t, padding: null }));
    const ids = [], cut = [];
    for (const text of texts) ids.push((await free.encode(text)).getIds());
    for (const length of [5, 64, 77, 256])
      for (const left of [false, true]) {
        const t2 = { ...t, padding: null, truncation: { direction: left ? "Left" : "Right", max_length: length, strategy: "LongestFirst", stride: 0 } };
        const text = "melanoma, 肺炎 " + "a photo of a ".repeat(length / 8);
        cut.push({ text, length, left, ids: (await Tokenizer.fromString(JSON.stringify(t2)).encode(text)).getIds() });
      }
    models.push({ name, tokenizer: t, ids, cut });
  }
  const spelt = [];
  for (const [name, o] of Object.entries(spellers)) {
    const t = Tokenizer.fromString(JSON.stringify(file({ ...o, model: speller })));
    const all = [];
    for (const text of texts) {
      const ids = (await t.encode(text)).getIds();
      const out = Buffer.concat(ids.map((id) => (id < 256 ? Buffer.from([id]) : Buffer.from(`\ue000${id}\ue000`)))).toString();
      all.push(out == (text && text + "|") ? null : out); // null: the text as one piece
    }
    spelt.push({ name, tokenizer: file(o), texts: all });
  }
  const line = (a) => a.map((x) => JSON.stringify(x)).join(",\n");
  process.stdout.write(`{"texts":${JSON.stringify(texts)},\n"models":[\n${line(models)}],\n"spelt":[\n${line(spelt)}]}\n`);
})();
