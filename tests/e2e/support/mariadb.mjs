// A MariaDB server of the tests' own: Debian's, on a socket in a temporary folder.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './nodes.mjs';

export const startMariadb = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-mariadb-'));
  // It refuses to run as root unless it is told to.
  const common = ['--no-defaults', `--datadir=${folder}/data`,
    ...process.getuid() === 0 ? ['--user=root'] : []];
  execFileSync('mariadb-install-db', [...common, '--auth-root-authentication-method=normal',
    '--skip-test-db']);
  const socket = `${folder}/socket`;
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', '/usr/sbin/mariadbd', ...common,
    '--skip-networking', `--socket=${socket}`, `--pid-file=${folder}/pid`, `--tmpdir=${folder}`],
  { stdio: 'ignore' });
  // What the client reads of its user goes before the system's.
  await writeFile(`${folder}/.my.cnf`, `[client]\nsocket=${socket}\n`);
  const env = { HOME: folder };
  await until('MariaDB', () => {
    try {
      execFileSync('mariadb', ['-e', 'SELECT 1'],
        { env: { ...process.env, ...env }, stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  return {
    env,
    socket,
    async stop() {
      const ended = new Promise((resolve) => { server.on('close', resolve); });
      server.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
};
