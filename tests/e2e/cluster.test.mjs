// A second node on the same machine, as the README adds it, and every command that
// docs/operations.md names for a cluster.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { startNode, until } from './support/nodes.mjs';
import { restClient } from './support/stage.mjs';

const root = '/api/v1/conversations';
let a;
let address;

const cluster = async (node = a) => (await fetch(`${node.opsUrl}/ops/v1/cluster`)).json();
const row = async (name, node = a) => (await cluster(node)).nodes.find((one) => one.name === name);
const shardsOf = async (name, node = a) => (await row(name, node))?.shards ?? 0;
/// By one view: shards may move between two.
const owned = async () => {
  const { nodes } = await cluster();
  return nodes.reduce((sum, one) => sum + one.shards, 0);
};
const settled = (name, limitMs = 20_000) => until(`the shards of ${name}`, async () => {
  const one = await row(name);
  return one?.state === 'up' && one.link?.up && one.shards > 300 && one.shards_incoming === 0;
}, limitMs);

before(async () => {
  a = await startNode(`
upstreams:
  - {name: demo, dialect: demo, base_url: "demo://?tokens_per_s=0&tokens=38"}
`);
  address = (await row('node1')).address;
});
after(() => a?.remove());

describe('a second node', () => {
  let b;
  after(() => b?.stop());

  test('joins with one command, and every node serves every conversation', async () => {
    const api = restClient(a.url, a.token);
    const made = [];
    for (let i = 0; i < 8; i += 1) made.push((await api.post(root, {})).body.id);
    assert.equal(await shardsOf('node1'), 1024);
    b = await a.join('b', address);
    await settled('b');
    assert.equal(await owned(), 1024);
    const other = restClient(b.url, b.token);
    for (const [i, id] of made.entries()) {
      const through = i % 2 === 0 ? other : api;
      const answer = await through.post(`${root}/${id}/messages`, { content: 'hello' });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.equal(answer.body.status, 'finished');
      assert.equal((await api.get(`${root}/${id}/messages`)).body.messages.length, 2);
    }
    const metrics = await (await fetch(`${b.opsUrl}/metrics`)).text();
    assert.match(metrics, /troupe_cluster_shards [1-9]/);
  });

  test('shows in troupe status, and its actors in troupe actors --node', async () => {
    const status = await a.run('status');
    assert.match(status, /b +up +\d+ /);
    const told = JSON.parse(await a.run('status', '--json'));
    assert.deepEqual(told.cluster.nodes.map((one) => one.name), ['b', 'node1']);
    const actors = JSON.parse(await a.run('actors', '--node', 'b', '--json'));
    assert.ok(actors.types.some((one) => one.type === 'session_region' && one.live > 300));
    const gone = await a.run('actors', '--node', 'nobody', '--once').catch((error) => error);
    assert.match(gone.message, /no link to a node nobody/);
  });

  test('cannot take a name that is in use, nor join what is not there', async () => {
    const taken = await a.join('node1', address).catch((error) => error);
    assert.match(taken.message, /a node named node1 is up at .*choose another name with --node/);
    const nobody = await a.join('c', '127.0.0.1:1').catch((error) => error);
    assert.match(nobody.message, /no node answers at 127.0.0.1:1/);
    const foreign = await a
      .join('c', address, '--set', `store.url=${a.folder}/other.db`,
        '--set', `node.data_dir=${a.folder}/c`)
      .catch((error) => error);
    assert.match(foreign.message, /in another database .*: give both the same store.url/);
  });

  test('is drained by name: its shards come back and conversations go on', async () => {
    const api = restClient(a.url, a.token);
    const { id } = (await api.post(root, {})).body;
    assert.match(await a.run('drain', 'b'), /b drains/);
    assert.equal(await b.ended, 0, b.output);
    await until('b to have left', async () => (await row('b')).state === 'left');
    assert.equal(await shardsOf('node1'), 1024);
    const answer = await api.post(`${root}/${id}/messages`, { content: 'still there?' });
    assert.equal(answer.body.status, 'finished');
  });

  test('that is killed loses nothing: the other answers for it within two seconds', async () => {
    b = await a.join('b', address);
    await settled('b');
    const api = restClient(a.url, a.token);
    const made = [];
    for (let i = 0; i < 8; i += 1) made.push((await api.post(root, {})).body.id);
    const began = Date.now();
    await b.stop('SIGKILL');
    for (const id of made) {
      const answer = await api.post(`${root}/${id}/messages`, { content: 'hello' });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
    }
    assert.ok(Date.now() - began < 3_000, `${Date.now() - began} ms`);
    await until('b to be dead', async () => (await row('b')).state === 'dead');
    assert.match(await readFile(`${a.folder}/data/token`, 'utf8'), /\w/);
  });
});
