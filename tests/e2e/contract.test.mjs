// docs/api/openapi.yaml, the routes in the code, and what a node really answers: one contract.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createConfig, lint } from '@redocly/openapi-core';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { all } from './support/sse.mjs';
import { restClient, startStage } from './support/stage.mjs';

const top = join(import.meta.dirname, '../..');
const yaml = join(top, 'docs/api/openapi.yaml');
const nobody = '0190163d-8694-739b-aea5-966c26f8ad91';
const methods = ['get', 'post', 'put', 'patch', 'delete'];

let stage;
let api;
let document;

before(async () => {
  stage = await startStage();
  const { secret } = await stage.node.makeKey('e2e', 'openai', 'api', 'admin');
  api = restClient(stage.node.url, secret);
  document = (await api.get('/openapi.json')).body;
});
after(() => stage?.stop());

const operations = () => Object.entries(document.paths).flatMap(([path, item]) =>
  methods.filter((method) => item[method]).map((method) => ({
    method: method.toUpperCase(), path, operation: item[method],
  })));

/** Routes as `add("GET", "/path", ...)` names them in gateway/. */
const routesInCode = async () => {
  const folder = join(top, 'gateway');
  const files = (await readdir(folder, { recursive: true })).filter((name) =>
    name.endsWith('.cpp') && !/^(ops|mock|server)\//.test(name));
  const found = new Set();
  for (const name of files) {
    const text = await readFile(join(folder, name), 'utf8');
    for (const [, method, path] of text.matchAll(/"(GET|POST|PUT|PATCH|DELETE)",\s*"(\/[^"]*)"/g))
      found.add(`${method} ${path.replace(/\*}$/, '}')}`);
    // One implementation of two kinds of rulesets.
    for (const [, method, path] of text.matchAll(/"([A-Z]+)",\s*"<sets>([^"]*)"/g))
      for (const sets of ['lexicons', 'keyword-sets'])
        found.add(`${method} /api/v1/${sets}${path}`);
    // The OpenAI routes name their path alone.
    for (const [, path] of text.matchAll(/add\("(\/v1\/[^"]*)"/g)) found.add(`POST ${path}`);
  }
  return found;
};

test('the description keeps the rules of OpenAPI', async () => {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lint({ ref: yaml, config });
  assert.deepEqual(problems.map(({ message, location: [at] }) => `${at?.pointer}: ${message}`), []);
});

test('the description and the routes in the code name the same', async () => {
  const described = new Set(operations().map(({ method, path }) => `${method} ${path}`));
  const coded = await routesInCode();
  // Parts of pages, not of the API.
  for (const part of ['GET /', 'GET /docs/docs.css', 'GET /docs/docs.js']) coded.delete(part);
  assert.deepEqual([...coded].sort(), [...described].sort());
});

test('every route described answers, and only with what is described', async () => {
  for (const { method, path, operation } of operations()) {
    const at = path.replace(/\{[^}]+\}/g, nobody);
    const schema = operation.requestBody?.content['application/json'];
    const answer = await api.call(method, at, schema?.example);
    const status = String(answer.status);
    const kinds = Object.keys(operation.responses);
    const known = kinds.includes(status) || kinds.includes(`${status[0]}XX`);
    assert.ok(known, `${method} ${at}: ${status}`);
    assert.notEqual(answer.status, 405, `${method} ${at}`);
    if (answer.status === 404)
      assert.doesNotMatch(answer.body.error.message, /no such (route|path)/, `${method} ${at}`);
  }
});

test('every route described asks for a key, unless it says that it does not', async () => {
  const open = restClient(stage.node.url, '');
  for (const { method, path, operation } of operations()) {
    const at = path.replace(/\{[^}]+\}/g, nobody);
    const body = operation.requestBody?.content['application/json']?.example;
    const answer = await open.call(method, at, body);
    if (operation.security?.length === 0) assert.notEqual(answer.status, 401, `${method} ${at}`);
    else assert.equal(answer.status, 401, `${method} ${at}`);
  }
});

describe('what a node answers has the shape described', () => {
  let ajv;
  const check = (name, value) => {
    const validate = ajv.getSchema(`api#/components/schemas/${name}`);
    const good = validate(value);
    assert.ok(good, `${name}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`);
  };
  before(() => {
    ajv = formats(new Ajv({ strict: false, allErrors: true }));
    ajv.addSchema(document, 'api');
  });

  test('conversations, messages, turns, answers', async () => {
    const root = '/api/v1/conversations';
    const made = (await api.post(root, { title: 'x', params: { top_p: 1 } })).body;
    check('Conversation', made);
    check('ConversationPage', (await api.get(root)).body);
    const answer = (await api.post(`${root}/${made.id}/messages`, { content: 'Hello' })).body;
    check('Answer', answer);
    check('MessagePage', (await api.get(`${root}/${made.id}/messages`)).body);
    check('Turn', (await api.get(`${root}/${made.id}/turns/${answer.turn_id}`)).body);
    const accepted = await api.post(`${root}/${made.id}/messages?wait=false`, { content: 'Hi' });
    check('Accepted', accepted.body);
    const path = `${root}/${made.id}/turns/${accepted.body.turn_id}/events`;
    const events = await all(await api.stream('GET', path));
    check('Message', events.find((event) => event.event === 'message').data);
  });

  test('keys', async () => {
    const made = (await api.post('/api/v1/keys', { name: 'shape', expires_in_s: 60 })).body;
    check('ApiKey', made);
    assert.match(made.secret, /^sk-/);
    const page = (await api.get('/api/v1/keys?limit=200')).body;
    for (const key of page.keys) check('ApiKey', key);
    assert.ok(!JSON.stringify(page).includes(made.secret));
    const gone = await api.del(`/api/v1/keys/${made.id}`);
    assert.deepEqual(gone.body, { id: made.id, revoked: true });
    const used = restClient(stage.node.url, made.secret);
    assert.equal((await used.get('/api/v1/conversations')).status, 401);
  });

  test('lexicons', async () => {
    const root = '/api/v1/lexicons';
    const one = `${root}/shape`;
    check('Ruleset', (await api.post(root, { name: 'shape', enabled: false })).body);
    check('RulesetList', (await api.get(root)).body);
    const put = await api.post(`${one}/items`, { put: [{ text: 'unheard-of', action: 'log' }] });
    assert.equal(put.body.change.added, 1);
    check('RulesetEdited', put.body);
    const bad = await api.post(`${one}/items`, { put: [{ text: 'x', action: 'sing' }] });
    assert.equal(bad.status, 400);
    check('Error', bad.body);
    for (const problem of bad.body.problems) check('RulesetProblem', problem);
    const file = { 'content-type': 'text/plain' };
    check('RulesetEdited', (await api.call('PUT', `${one}/file`, 'other\n', file)).body);
    const page = (await api.get(`${one}/items`)).body;
    assert.equal(page.items.length, 2);
    check('RulesetItemPage', page);
    assert.match((await api.get(`${one}/file?format=text`)).body, /unheard-of/);
    check('RulesetDiff', (await api.get(`${one}/diff?from=0`)).body);
    check('RulesetVersionPage', (await api.get(`${one}/versions`)).body);
    check('RulesetChanged', (await api.post(`${one}/restore`, { version: 1 })).body);
    check('RulesetLint', (await api.post(`${one}/lint`, { ordinary_text: 'a text' })).body);
    check('Ruleset', (await api.patch(one, { description: 'gone soon' })).body);
    assert.deepEqual((await api.del(one)).body, { name: 'shape', deleted: true });
  });

  test('errors', async () => {
    for (const answer of [
      await api.get('/api/v1/conversations?limit=0'),
      await api.get(`/api/v1/conversations/${nobody}`),
      await api.post('/api/v1/conversations', { colour: 'red' }),
      await restClient(stage.node.url, 'wrong').get('/api/v1/conversations'),
    ]) {
      check('Error', answer.body);
      assert.ok(answer.body.error.request_id);
    }
    const openai = await restClient(stage.node.url, 'wrong').get('/v1/models');
    check('OpenAiError', openai.body);
  });

  test('health and pages', async () => {
    check('Health', (await api.get('/healthz')).body);
    check('Health', (await api.get('/readyz')).body);
    const page = await fetch(`${stage.node.url}/docs`);
    assert.match(page.headers.get('content-type'), /^text\/html/);
    assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
    for (const part of ['/docs/docs.css', '/docs/docs.js'])
      assert.equal((await fetch(stage.node.url + part)).status, 200);
    const welcome = await api.get('/');
    assert.equal(welcome.body.openapi, '/openapi.json');
  });
});
