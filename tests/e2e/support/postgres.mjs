// A PostgreSQL server of the tests' own: Debian's, on a socket in a temporary folder.
import { execFileSync, spawn } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './nodes.mjs';

const programs = '/usr/lib/postgresql/15/bin';

export const startPostgres = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-postgres-'));
  // It refuses to run as root.
  const user = process.getuid() === 0
    ? ['--reuid', 'postgres', '--regid', 'postgres', '--clear-groups'] : [];
  if (process.getuid() === 0) {
    const [uid, gid] = ['-u', '-g'].map((which) => +execFileSync('id', [which, 'postgres']));
    await chown(folder, uid, gid);
  }
  await chmod(folder, 0o755);
  execFileSync('setpriv', [...user, `${programs}/initdb`, '--no-sync', '-D',
    `${folder}/data`, '-U', 'postgres', '-E', 'UTF8', '--locale', 'C.UTF-8']);
  const server = spawn('setpriv', ['--pdeathsig', 'QUIT', ...user, `${programs}/postgres`, '-D',
    `${folder}/data`, '-c', 'listen_addresses=', '-c', `unix_socket_directories=${folder}`],
  { stdio: 'ignore' });
  const env = { PGHOST: folder, PGUSER: 'postgres', PATH: `${programs}:${process.env.PATH}` };
  await until('PostgreSQL', () => {
    try {
      execFileSync(`${programs}/pg_isready`, ['-q'], { env });
      return true;
    } catch {
      return false;
    }
  });
  return {
    env,
    folder,
    async stop() {
      const ended = new Promise((resolve) => { server.on('close', resolve); });
      server.kill('SIGINT');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
};
