// Encodes texts with tiktoken. Standard input: texts, each a 32-bit little-endian length and UTF-8.
// Standard output: for each text the number of its tokens and their ids, 32-bit little-endian.
// Special tokens are ordinary text, or are meant with --special.
import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { Tiktoken } = require("tiktoken");

const [name, mode] = process.argv.slice(2);

function harmony() {
  const base = require("tiktoken/encoders/o200k_base.json");
  const special_tokens = {
    "<|startoftext|>": 199998,
    "<|endoftext|>": 199999,
    "<|return|>": 200002,
    "<|constrain|>": 200003,
    "<|channel|>": 200005,
    "<|start|>": 200006,
    "<|end|>": 200007,
    "<|message|>": 200008,
    "<|call|>": 200012,
    "<|endofprompt|>": 200018,
  };
  return { ...base, special_tokens };
}

const { bpe_ranks, special_tokens, pat_str } =
  name === "o200k_harmony" ? harmony() : require(`tiktoken/encoders/${name}.json`);
const tiktoken = new Tiktoken(bpe_ranks, special_tokens, pat_str);
const encode =
  mode === "--special"
    ? (text) => tiktoken.encode(text, "all")
    : (text) => tiktoken.encode_ordinary(text);

const input = readFileSync(0);
const answers = [];
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
for (let at = 0; at < input.length; ) {
  const size = input.readUInt32LE(at);
  const ids = encode(decoder.decode(input.subarray(at + 4, at + 4 + size)));
  answers.push(ids.length, ...ids);
  at += 4 + size;
}
const bytes = new Uint8Array(Uint32Array.from(answers).buffer);
for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes.subarray(done));
