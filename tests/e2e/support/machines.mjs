// Machines of the tests' own: network namespaces of this one, joined by cables. The ports and
// addresses that a document gives are free there. Making them needs root.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { until, binary } from './nodes.mjs';

export const canMakeMachines = process.getuid() === 0;

const ip = (...words) => execFileSync('ip', words);

/** A child of a machine in the background; gone with the test. */
class Background {
  constructor(machine, command, env) {
    this.command = command;
    this.output = '';
    this.child = machine.spawn(`exec ${command}`, env);
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.on('data', (bytes) => { this.output += bytes; });
    this.ended = new Promise((resolve) => { this.child.on('close', resolve); });
  }

  get over() { return this.child.exitCode !== null || this.child.signalCode !== null; }

  async says(text) {
    await until(`"${text}" of ${this.command}`, () => {
      if (this.over) throw new Error(`${this.command} ended: ${this.output}`);
      return this.output.includes(text);
    });
  }

  async stop() {
    this.child.kill('SIGTERM');
    return this.ended;
  }
}

/** A machine with a folder of its own, in which its commands run. */
export class Machine {
  static async make() {
    const machine = new Machine();
    machine.folder = await mkdtemp(join(tmpdir(), 'troupe-machine-'));
    // The namespace lives as long as this process in it.
    machine.holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--net', 'sh', '-c',
      'ip link set lo up && echo up && exec sleep infinity'],
    { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve, reject) => {
      machine.holder.stdout.once('data', resolve);
      machine.holder.once('exit', () => reject(new Error('unshare --net failed')));
    });
    return machine;
  }

  spawn(command, env = {}) {
    // However this process ends, they do.
    return spawn('setpriv', ['--pdeathsig', 'KILL', 'nsenter', '--net', '--target',
      `${this.holder.pid}`, 'bash', '-c', command], {
      cwd: this.folder,
      detached: true, // without a terminal, so that passwords are read from standard input
      env: { ...process.env, ...env, PATH: `${dirname(binary)}:${process.env.PATH}` },
    });
  }

  /** Runs a command to its end; its standard output. */
  async run(command, { env, input = '' } = {}) {
    const child = this.spawn(command, env);
    let out = '';
    let err = '';
    child.stdout.on('data', (bytes) => { out += bytes; });
    child.stderr.on('data', (bytes) => { err += bytes; });
    child.stdin.on('error', () => {}); // it may end without having read that: its code tells
    child.stdin.end(input);
    const code = await new Promise((resolve) => { child.on('close', resolve); });
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${err || out}`);
    return out;
  }

  background(command, env) { return new Background(this, command, env); }

  async remove() {
    this.holder.kill('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A cable between two machines; each gets its address. */
export const connect = (one, oneAddress, other, otherAddress) => {
  const names = [`trp${one.holder.pid}`, `trp${other.holder.pid}`];
  ip('link', 'add', names[0], 'netns', `${one.holder.pid}`, 'type', 'veth',
    'peer', 'name', names[1], 'netns', `${other.holder.pid}`);
  [[one, oneAddress], [other, otherAddress]].forEach(([machine, address], i) => {
    const inside = (...words) => execFileSync('nsenter',
      ['--net', '--target', `${machine.holder.pid}`, 'ip', ...words]);
    inside('addr', 'add', `${address}/24`, 'dev', names[i]);
    inside('link', 'set', names[i], 'up');
  });
};
