// What operators read while the node is under load: counts that add up.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from './support/nodes.mjs';
import { startStage } from './support/stage.mjs';

const requests = 300;
const atOnce = 16;
const route = '/v1/chat/completions';

let stage;
let key;

before(async () => {
  stage = await startStage();
  key = (await stage.node.makeKey('load', 'openai')).secret;
});
after(() => stage?.stop());

const ops = async (path) => {
  const answer = await fetch(stage.node.opsUrl + path, {
    headers: { authorization: `Bearer ${stage.node.token}` },
  });
  assert.equal(answer.status, 200, path);
  return answer;
};

/** [{name, labels, value}] of Prometheus's text. */
const scrape = async () => {
  const text = await (await ops('/metrics')).text();
  const families = new Set();
  const samples = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('# TYPE ')) {
      const name = line.split(' ')[2];
      assert.ok(!families.has(name), `${name} stands twice`);
      families.add(name);
    }
    const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = Object.fromEntries([...(found[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)]
      .map(([, name, value]) => [name, value]));
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return samples;
};

const sum = (samples, name, labels = {}) => samples
  .filter((s) => s.name === name
    && Object.entries(labels).every(([label, value]) => s.labels[label] === value))
  .reduce((total, s) => total + s.value, 0);

const ask = async (body) => {
  const answer = await fetch(stage.node.url + route, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  await answer.text();
  return answer.status;
};

test('metrics and actors show the load, and their counts add up', async () => {
  const start = await scrape();
  let left = requests;
  let streamed = 0;
  const client = async () => {
    while (left > 0) {
      left -= 1;
      const stream = left % 3 === 0;
      streamed += stream ? 1 : 0;
      const body = { model: 'mock', stream, messages: [{ role: 'user', content: 'hi' }] };
      assert.equal(await ask(body), 200);
    }
  };
  const load = Promise.all(Array.from({ length: atOnce }, client));
  let seen = 0;
  while (left > 0) {
    const now = await scrape();
    const answers = sum(now, 'troupe_http_answers_total', { route });
    assert.ok(answers >= seen, 'a counter went back');
    assert.ok(answers <= requests);
    seen = answers;
    assert.ok(sum(now, 'troupe_http_requests_running') <= atOnce + 1);
    // A histogram is one with itself, whenever it is read.
    assert.equal(
      sum(now, 'troupe_http_request_seconds_bucket', { route, le: '+Inf' }),
      sum(now, 'troupe_http_request_seconds_count', { route }),
    );
  }
  await load;
  assert.equal(await ask({ model: 'nope', messages: [{ role: 'user', content: 'hi' }] }), 404);

  const end = await until('quiet', async () => {
    const now = await scrape();
    return sum(now, 'troupe_http_requests_running') === 0 ? now : null;
  });
  const grown = (name, labels) => sum(end, name, labels) - sum(start, name, labels);
  assert.equal(grown('troupe_http_answers_total', { route, class: '2xx' }), requests);
  assert.equal(grown('troupe_http_answers_total', { route, class: '4xx' }), 1);
  assert.equal(grown('troupe_http_answers_total', { route }), requests + 1);
  assert.equal(grown('troupe_http_request_seconds_count', { route }), requests + 1);
  assert.equal(grown('troupe_http_requests_total'), grown('troupe_http_answers_total'));
  assert.equal(stage.recorder.seen.length, requests);
  // Each request needed the keyring and the router once, asked now or shortly before, and left one
  // line to the ledger. The keyring had to look the key up once: the store's answer is a message
  // too. Of a model that is not there the router gave two answers, the second with those that are.
  const asked = (type) => grown('troupe_actor_handled_total', { type });
  const kept = (type) => grown('troupe_gateway_kept_answers_total', { type });
  assert.equal(asked('keyring') + kept('keyring'), requests + 2);
  assert.ok(kept('keyring') > 0);
  assert.equal(asked('model_router') + kept('model_router'), requests + 2);
  assert.ok(kept('model_router') > 0);
  assert.equal(grown('troupe_ledger_records_total', { outcome: 'taken' }), requests);
  await until('written', async () => {
    const now = await scrape();
    return sum(now, 'troupe_ledger_records_total', { outcome: 'written' })
      - sum(start, 'troupe_ledger_records_total', { outcome: 'written' }) === requests
      && sum(now, 'troupe_ledger_buffered') === 0;
  });
  assert.equal(sum(end, 'troupe_actor_failed_total'), 0);
  assert.equal(sum(end, 'troupe_actor_shed_total'), 0);
  assert.ok(streamed > 0);

  const actors = await (await ops('/ops/v1/actors?limit=100')).json();
  for (const type of ['keyring', 'gateway', 'session_region']) {
    const told = actors.types.find((t) => t.type === type);
    assert.equal(told.handled, sum(end, 'troupe_actor_handled_total', { type }), type);
  }
  const live = actors.types.reduce((total, t) => total + t.live, 0);
  assert.equal(actors.total, live);
});
