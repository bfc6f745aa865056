// Every command of docs/operations.md, as it stands there, on machines of the test's own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { binary, until } from './support/nodes.mjs';
import { canMakeMachines, connect, Machine } from './support/machines.mjs';
import { startMariadb } from './support/mariadb.mjs';
import { startPostgres } from './support/postgres.mjs';

const text = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');

/** The fenced commands, by the title above them. */
const chapters = (() => {
  const found = new Map();
  let title = '';
  let fenced = false;
  let command = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) {
      fenced = !fenced;
    } else if (fenced) {
      command += line.replace(/\\$/, '');
      if (line.endsWith('\\')) continue;
      if (!found.has(title)) found.set(title, []);
      found.get(title).push(command.replace(/\s+/g, ' '));
      command = '';
    } else if (line.startsWith('#')) {
      title = line.replace(/^#+ /, '');
    }
  }
  return found;
})();

/** The commands of a chapter; each is given out once. */
const take = (title) => {
  const commands = chapters.get(title);
  assert.ok(commands, `docs/operations.md has no commands under "${title}"`);
  chapters.delete(title);
  return commands;
};

const clusterOf = async (machine) =>
  JSON.parse(await machine.run('curl -s 127.0.0.1:9400/ops/v1/cluster'));
const settled = (machine, name) => until(`the shards of ${name}`, async () => {
  const one = (await clusterOf(machine)).nodes.find((node) => node.name === name);
  return one?.state === 'up' && one.link?.up && one.shards > 300 && one.shards_incoming === 0;
});

test('every command named in the text is one of the program', () => {
  const named = new Set([...text.matchAll(/`troupe ([a-z-]+(?: [a-z-]+)*)/g)].map((m) => m[1]));
  assert.ok(named.size > 10);
  for (const words of named) {
    // A node's name may follow the command.
    const command = words.replace(/^drain .*/, 'drain').split(' ')
      .filter((word) => !word.startsWith('-'));
    execFileSync(binary, [...command, '--help']);
  }
});

describe('docs/operations.md', { skip: canMakeMachines ? false : 'needs root' }, () => {
  let one;
  let first;
  let second;
  before(async () => {
    one = await Machine.make();
    first = one.background('troupe serve');
    await first.says(' ready ');
  });
  after(() => one?.remove());

  test('a second node on the same machine', async () => {
    const [serve, ...looking] = take('A second node on the same machine');
    second = one.background(serve);
    await second.says(' ready ');
    await settled(one, 'b');
    const answers = [];
    for (const command of looking) answers.push(await one.run(command));
    assert.match(answers[0], /b +up +\d+/);
    assert.match(answers[1], /session_region/);
    assert.equal(JSON.parse(answers[2]).nodes.length, 2);
    assert.equal(JSON.parse(answers[3]).shards.length, 1024);
    assert.equal(JSON.parse(answers[4]).name, 'b');
  });

  test('a node that only has a role', async () => {
    const [serve] = take('Roles');
    const tools = one.background(serve);
    await tools.says(' ready ');
    await until('its row', async () =>
      (await clusterOf(one)).nodes.some((node) => node.name === 't1' && node.link?.up));
    assert.match(await one.run('troupe status'), /t1 +up +0 .* tools /);
    assert.equal(await tools.stop(), 0);
  });

  test('a backup before an upgrade', async () => {
    for (const command of take('Upgrading')) await one.run(command);
    assert.ok((await stat(join(one.folder, 'before-upgrade.db'))).size > 10_000);
  });

  test('leaving', async () => {
    for (const command of take('Leaving')) await one.run(command);
    assert.equal(await second.ended, 0);
  });

  test('the level of the log', async () => {
    for (const command of take('Logs')) await one.run(command);
    assert.equal(JSON.parse(await one.run('curl -s 127.0.0.1:9400/ops/v1/log')).level, 'debug');
  });

  test('a lexicon, its versions and the way back', async () => {
    const [names, create, tryOut, bring, copy, restore] = take('Lexicons and keyword sets');
    const run = (command) => one.run(`${names}; ${command}`);
    const write = (word) => writeFile(join(one.folder, 'words.csv'), `text\n${word}\n`);
    assert.equal(JSON.parse(await run(create)).name, 'house');
    await write('atlantis');
    assert.equal(JSON.parse(await run(tryOut)).ruleset.version, 0);
    for (const [i, word] of ['atlantis', 'lemuria', 'thule', 'mu'].entries()) {
      await write(word);
      assert.equal(JSON.parse(await run(bring)).ruleset.version, i + 1);
    }
    await run(copy);
    const kept = await readFile(join(one.folder, 'house-3.csv'), 'utf8');
    assert.match(kept, /thule/);
    assert.doesNotMatch(kept, /^mu/m);
    const back = JSON.parse(await run(restore));
    assert.deepEqual([back.change.restored_from, back.ruleset.version], [3, 5]);
  });

  test('the operators\' port', async () => {
    const [looking, draining] = take('The operators\' port');
    assert.ok(Array.isArray(JSON.parse(await one.run(looking)).busiest));
    await one.run(draining);
    assert.equal(await first.ended, 0);
  });

  describe('with a database server and certificates', () => {
    const machines = {};
    let database;
    let url;
    before(async () => {
      database = await startPostgres();
      for (const name of ['desk', 'node-1', 'node-2']) machines[name] = await Machine.make();
      connect(machines['node-1'], '10.0.0.5', machines['node-2'], '10.0.0.6');
    });
    after(async () => {
      for (const machine of Object.values(machines)) await machine.remove();
      await database?.stop();
    });

    test('PostgreSQL', async () => {
      const [making, serving] = take('PostgreSQL');
      await machines.desk.run(making, { env: database.env, input: 'its password\n'.repeat(2) });
      // The server of this test is at a socket, and trusts who comes there.
      const there = serving.replace('troupe:PASSWORD@db.example:5432/troupe?sslmode=verify-full',
        `troupe@/troupe?host=${database.folder}`);
      assert.notEqual(there, serving);
      [, url] = there.match(/TROUPE_STORE__URL='([^']+)'/);
      const node = machines.desk.background(there.replace(/^TROUPE_STORE__URL=\S+ /, ''),
        { TROUPE_STORE__URL: url });
      await node.says(' ready ');
      assert.match(await machines.desk.run('troupe status'), /postgresql/);
      assert.equal(await node.stop(), 0);
    });

    test('MariaDB and MySQL', async () => {
      const server = await startMariadb();
      try {
        const [making, letting, serving] = take('MariaDB and MySQL');
        for (const command of [making, letting])
          await machines.desk.run(command, { env: server.env });
        // The server of this test is at a socket.
        const there = serving.replace('db.example:3306/troupe?ssl_ca=/etc/troupe/db-ca.crt',
          `/troupe?socket=${server.socket}`);
        assert.notEqual(there, serving);
        const [, place] = there.match(/TROUPE_STORE__URL='([^']+)'/);
        const node = machines.desk.background(there.replace(/^TROUPE_STORE__URL=\S+ /, ''),
          { TROUPE_STORE__URL: place });
        await node.says(' ready ');
        assert.match(await machines.desk.run('troupe status'), /mysql/);
        assert.equal(await node.stop(), 0);
      } finally {
        await server.stop();
      }
    });

    test('several hosts', async () => {
      const commands = take('Several hosts');
      const nodes = {};
      for (const command of commands) {
        if (!command.startsWith('troupe serve')) {
          await machines.desk.run(command);
          continue;
        }
        const [, name] = command.match(/--node (\S+)/);
        const host = machines[name];
        await cp(join(machines.desk.folder, 'ca'), join(host.folder, 'ca'), { recursive: true });
        nodes[name] = host.background(command, { TROUPE_STORE__URL: url });
        await nodes[name].says(' ready ');
      }
      await settled(machines['node-1'], 'node-2');
      await settled(machines['node-2'], 'node-1');
      for (const node of Object.values(nodes)) assert.equal(await node.stop(), 0);
    });
  });

  test('left out no command', () => assert.deepEqual([...chapters.keys()], []));
});
