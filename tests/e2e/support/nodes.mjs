// Starts real processes for the tests: `troupe mock-upstream`, and `troupe serve` in front of it.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export const binary = process.env.TROUPE_BINARY ?? '../../build/dev/troupe';

const freePort = () => new Promise((resolve, reject) => {
  const probe = createServer().on('error', reject);
  probe.listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

/** Polls until `check` gives something, at most `limitMs`. */
export const until = async (what, check, limitMs = 15_000) => {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`);
    await pause(10);
  }
};

/** A child whose output is kept, and that is gone with the test. */
class Child {
  constructor(args, env = {}) {
    this.output = '';
    this.process = spawn(binary, args, { env: { ...process.env, ...env }, stdio: 'pipe' });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream.on('data', (bytes) => { this.output += bytes; });
    this.process.on('error', (error) => { this.output += `${error}\n`; });
    this.ended = new Promise((resolve) => { this.process.on('close', resolve); });
    process.on('exit', () => this.process.kill('SIGKILL'));
  }

  get over() { return this.process.exitCode !== null || this.process.signalCode !== null; }

  async answers(url) {
    return until(`an answer of ${url}`, async () => {
      if (this.over) throw new Error(`${binary} ended: ${this.output}`);
      return (await fetch(url).catch(() => null))?.ok;
    });
  }

  async stop(signal = 'SIGTERM') {
    this.process.kill(signal);
    const code = await Promise.race([this.ended, pause(30_000, 'late', { ref: false })]);
    if (code !== 'late') return code;
    this.process.kill('SIGKILL');
    throw new Error(`it did not end within 30 s of ${signal}: ${this.output}`);
  }
}

export const startMock = async (...args) => {
  const port = await freePort();
  const child = new Child(['mock-upstream', '--listen', `127.0.0.1:${port}`, ...args]);
  const url = `http://127.0.0.1:${port}`;
  await child.answers(`${url}/v1/models`);
  return { url, stop: () => child.stop() };
};

/** A node of its own folder. `config` is YAML beyond the addresses. */
export const startNode = async (config) => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-e2e-'));
  const file = join(folder, 'troupe.yaml');
  await writeFile(file, config);
  const data = join(folder, 'data');
  const args = ['--config', file, '--set', `node.data_dir=${data}`,
    '--set', 'gateway.listen=127.0.0.1:0', '--set', 'ops.listen=127.0.0.1:0'];
  let child;
  const node = {
    folder,
    args,
    get output() { return child.output; },
    async start() {
      child = new Child(['serve', ...args]);
      const told = await until('node.json', async () => {
        if (child.over) throw new Error(`troupe serve ended: ${child.output}`);
        return JSON.parse(await readFile(join(data, 'node.json'), 'utf8').catch(() => 'null'));
      });
      node.url = told.url;
      node.opsUrl = told.ops_url;
      node.token = (await readFile(join(data, 'token'), 'utf8')).trim();
      await child.answers(`${node.url}/readyz`);
    },
    stop: (signal) => child.stop(signal),
    /** Starts another node beside this one, as `troupe serve --node NAME --join ADDRESS` does. */
    async join(name, address, ...flags) {
      const other = new Child(['serve', '--config', file, '--set', `node.data_dir=${data}`,
        '--node', name, '--join', address, ...flags]);
      const home = join(data, 'nodes', name);
      const told = await until('node.json', async () => {
        if (other.over) throw new Error(`troupe serve ended: ${other.output}`);
        return JSON.parse(await readFile(join(home, 'node.json'), 'utf8').catch(() => 'null'));
      });
      await other.answers(`${told.url}/readyz`);
      return {
        url: told.url,
        opsUrl: told.ops_url,
        token: (await readFile(join(home, 'token'), 'utf8')).trim(),
        ended: other.ended,
        get output() { return other.output; },
        stop: (signal) => other.stop(signal),
      };
    },
    /** Runs a command of the CLI against this node; its standard output. */
    async run(...words) {
      const one = spawn(binary, [...words, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      let out = '';
      let err = '';
      one.stdout.on('data', (bytes) => { out += bytes; });
      one.stderr.on('data', (bytes) => { err += bytes; });
      const code = await new Promise((resolve) => { one.on('close', resolve); });
      if (code !== 0) throw Object.assign(new Error(err || out), { code });
      return out;
    },
    async makeKey(name, ...scopes) {
      const flags = scopes.flatMap((scope) => ['--scope', scope]);
      return JSON.parse(await node.run('key', 'create', name, '--json', ...flags));
    },
    async remove() {
      if (!child.over) await child.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await node.start();
  return node;
};
