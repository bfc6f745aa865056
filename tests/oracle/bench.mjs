// npm tiktoken as a benchmark's peer. Arguments: NAME=FILE for each text. Each line of the standard
// input, "VOCABULARY NAME", is answered with "SECONDS TOKENS": what encoding that text took of this
// process' CPU.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { Tiktoken } = require("tiktoken");

const texts = {};
for (const argument of process.argv.slice(2)) {
  const [name, file] = argument.split("=");
  texts[name] = readFileSync(file, "utf8");
}

const encoders = {};
function encoder(name) {
  if (!encoders[name]) {
    const { bpe_ranks, special_tokens, pat_str } = require(`tiktoken/encoders/${name}.json`);
    encoders[name] = new Tiktoken(bpe_ranks, special_tokens, pat_str);
  }
  return encoders[name];
}

for await (const line of createInterface({ input: process.stdin })) {
  const [vocabulary, name] = line.split(" ");
  const tiktoken = encoder(vocabulary);
  const before = process.cpuUsage();
  const ids = tiktoken.encode_ordinary(texts[name]);
  const { user, system } = process.cpuUsage(before);
  console.log(`${(user + system) / 1e6} ${ids.length}`);
}
