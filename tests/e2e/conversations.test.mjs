// Conversations over REST: durable, branching, and read again after a broken connection.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chunks, toolCall } from './support/recorder.mjs';
import { all, events, textOf } from './support/sse.mjs';
import { restClient, startStage } from './support/stage.mjs';

const root = '/api/v1/conversations';
let stage;
let secret;
let api;

before(async () => {
  stage = await startStage();
  ({ secret } = await stage.node.makeKey('e2e', 'api'));
  api = restClient(stage.node.url, secret);
});
after(() => stage?.stop());

const create = async (body = {}) => {
  const made = await api.post(root, body);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body;
};
const say = (id, body, options) => api.stream('POST', `${root}/${id}/messages`, body, options);
const messagesOf = async (id, query = '') =>
  (await api.get(`${root}/${id}/messages${query}`)).body.messages;

/** The upstream sends words until `go` is called; then its end. */
const heldAnswer = () => {
  let go;
  const gone = new Promise((resolve) => { go = resolve; });
  stage.recorder.answerNext(async (_, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
    const list = chunks([{ content: 'one ' }, { content: 'two ' }, { content: 'three' }]);
    for (const chunk of list.slice(0, 2)) outgoing.write(`data: ${JSON.stringify(chunk)}\n\n`);
    await gone;
    for (const chunk of list.slice(2)) outgoing.write(`data: ${JSON.stringify(chunk)}\n\n`);
    outgoing.end('data: [DONE]\n\n');
  });
  return go;
};

describe('conversations', () => {
  test('are created, read, changed, found and deleted', async () => {
    const made = await create({
      title: 'About ships', system_prompt: 'Be brief.', params: { temperature: 0.1 },
    });
    const path = `${root}/${made.id}`;
    assert.deepEqual((await api.get(path)).body, made);
    const changed = await api.patch(path, { title: 'About boats', system_prompt: null });
    assert.equal(changed.body.title, 'About boats');
    assert.equal(changed.body.system_prompt, null);
    assert.deepEqual(changed.body.params, { temperature: 0.1 });
    const found = await api.get(`${root}?q=boats`);
    assert.deepEqual(found.body.conversations.map((one) => one.id), [made.id]);
    assert.deepEqual((await api.del(path)).body, { id: made.id, deleted: true });
    assert.equal((await api.get(path)).status, 404);
    assert.equal((await api.del(path)).status, 404);
  });

  test('are listed in pages, each once', async () => {
    const ids = [];
    for (let i = 0; i < 5; i += 1) ids.push((await create({ title: 'paged' })).id);
    const seen = [];
    let cursor = '';
    do {
      const page = (await api.get(`${root}?q=paged&limit=2&cursor=${cursor}`)).body;
      assert.ok(page.conversations.length <= 2);
      seen.push(...page.conversations.map((one) => one.id));
      cursor = page.next_cursor;
    } while (cursor);
    assert.deepEqual(seen.sort(), ids.sort());
  });

  test('belong to their key alone', async () => {
    const other = restClient(stage.node.url, (await stage.node.makeKey('other', 'api')).secret);
    const { id } = await create();
    const path = `${root}/${id}`;
    const turn = '0190163d-8694-739b-aea5-966c26f8ad91';
    for (const [method, at, body] of [
      ['GET', path], ['PATCH', path, { title: 'mine' }], ['DELETE', path],
      ['GET', `${path}/messages`], ['POST', `${path}/messages`, { content: 'hi' }],
      ['GET', `${path}/turns/${turn}`], ['GET', `${path}/turns/${turn}/events`],
      ['POST', `${path}/turns/${turn}/stop`],
    ]) {
      const answer = await other.call(method, at, body);
      assert.equal(answer.status, 404, `${method} ${at}`);
    }
    assert.deepEqual((await other.get(root)).body.conversations, []);
    assert.equal((await api.get(path)).status, 200);
  });
});

describe('an answer', () => {
  test('comes as events, in order, with ids that count up', async () => {
    const { id } = await create();
    const list = await all(await say(id, { content: 'Hello' }));
    const names = list.map((event) => event.event);
    assert.equal(names[0], 'accepted');
    assert.equal(names[1], 'started');
    assert.equal(names.at(-1), 'finished');
    assert.ok(names.includes('delta') && names.includes('message'));
    const { turn_id: turn } = list[0].data;
    const seqs = list.map((event) => {
      const [of, seq] = event.id.split(':');
      assert.equal(of, turn);
      return Number(seq);
    });
    assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b));
    const last = list.at(-1).data;
    assert.equal(last.status, 'finished');
    assert.ok(last.usage.total_tokens > 0);
    const messages = await messagesOf(id);
    assert.deepEqual(messages.map((one) => one.role), ['user', 'assistant']);
    assert.equal(messages[1].content[0].text, textOf(list));
    assert.equal(messages[1].parent_id, messages[0].id);
  });

  test('comes whole without an Accept for events', async () => {
    const { id } = await create();
    const answer = await api.post(`${root}/${id}/messages`, { content: 'Hello' });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.status, 'finished');
    assert.equal(answer.body.messages.at(-1).role, 'assistant');
    assert.ok(answer.body.usage.total_tokens > 0);
    const turn = await api.get(`${root}/${id}/turns/${answer.body.turn_id}`);
    assert.equal(turn.body.status, 'finished');
    assert.equal(turn.body.reply_id, answer.body.messages.at(-1).id);
  });

  test('is not waited for with wait=false', async () => {
    const { id } = await create();
    const go = heldAnswer();
    const accepted = await api.post(`${root}/${id}/messages?wait=false`, { content: 'Hello' });
    assert.equal(accepted.status, 202);
    const path = `${root}/${id}/turns/${accepted.body.turn_id}`;
    assert.equal((await api.get(path)).body.status, 'running');
    go();
    assert.equal(textOf(await all(await api.stream('GET', `${path}/events`))), 'one two three');
  });

  test('remembers what was said before', async () => {
    const { id } = await create({ system_prompt: 'You are a parrot.' });
    await all(await say(id, { content: 'My name is Ada.' }));
    await all(await say(id, { content: 'What is my name?' }));
    const sent = stage.recorder.last.body.messages;
    assert.deepEqual(sent.map((one) => one.role), ['system', 'user', 'assistant', 'user']);
    assert.equal(sent[0].content, 'You are a parrot.');
    assert.match(JSON.stringify(sent[1].content), /Ada/);
  });

  test('goes on when its reader leaves, and is read on by Last-Event-ID', async () => {
    const { id } = await create();
    const go = heldAnswer();
    const abort = new AbortController();
    const response = await say(id, { content: 'Hello' }, { signal: abort.signal });
    const first = [];
    for await (const event of events(response)) {
      first.push(event);
      if (textOf(first) === 'one two ') break;
    }
    abort.abort();
    const { turn_id: turn } = first[0].data;
    const path = `${root}/${id}/turns/${turn}`;
    assert.equal((await api.get(path)).body.status, 'running');
    assert.equal(stage.recorder.last.aborted, false);
    const resumed = api.stream('GET', `${path}/events`, undefined,
      { headers: { 'last-event-id': first.at(-1).id } });
    go();
    const rest = await all(await resumed);
    assert.equal(textOf(rest), 'three');
    assert.equal(rest.at(-1).event, 'finished');
    const again = await all(await api.stream('GET', `${path}/events`));
    assert.equal(textOf(again), 'one two three');
    assert.equal(again[0].event, 'started');
  });

  test('is stopped: its text so far is kept and the upstream closed', async () => {
    const { id } = await create();
    heldAnswer();
    const response = await say(id, { content: 'Hello' });
    const list = [];
    let asked = 0;
    for await (const event of events(response)) {
      list.push(event);
      if (textOf(list) === 'one two ' && !asked) {
        asked = performance.now();
        const path = `${root}/${id}/turns/${list[0].data.turn_id}/stop`;
        const stopped = await api.post(path);
        assert.equal(stopped.body.status, 'stopped');
        assert.equal((await api.post(path)).body.status, 'stopped');
      }
    }
    assert.equal(list.at(-1).data.status, 'stopped');
    const closed = await stage.recorder.last.closed;
    assert.ok(closed - asked < 1_000);
    const [, reply] = await messagesOf(id);
    assert.equal(reply.status, 'stopped');
    assert.equal(reply.content[0].text, 'one two ');
  });

  test('that fails says so, and the next one works', async () => {
    const { id } = await create();
    stage.recorder.answerNextJson(400, { error: { message: 'no', code: 'content_filter' } });
    const list = await all(await say(id, { content: 'Hello' }));
    assert.equal(list.at(-1).event, 'error');
    assert.ok(list.at(-1).data.error.message);
    stage.recorder.answerNextJson(400, { error: { message: 'no', code: 'content_filter' } });
    const whole = await api.post(`${root}/${id}/messages`, { content: 'Hello' });
    assert.equal(whole.status, 400);
    assert.equal(whole.body.status, 'failed');
    assert.ok(whole.body.turn_id);
    assert.equal((await all(await say(id, { content: 'Hello' }))).at(-1).event, 'finished');
  });
});

describe('the tree of messages', () => {
  test('regenerate answers again, as a sibling; a leaf chooses the branch', async () => {
    const { id } = await create();
    await all(await say(id, { content: 'First' }));
    const [user, one] = await messagesOf(id);
    await all(await say(id, { kind: 'regenerate', parent_id: user.id }));
    const [same, two] = await messagesOf(id);
    assert.equal(same.id, user.id);
    assert.notEqual(two.id, one.id);
    assert.equal(two.parent_id, user.id);
    const tree = await messagesOf(id, '?all=true');
    assert.equal(tree.length, 3);
    const chosen = await api.patch(`${root}/${id}`, { leaf_id: one.id });
    assert.equal(chosen.body.leaf_id, one.id);
    assert.deepEqual((await messagesOf(id)).map((m) => m.id), [user.id, one.id]);
    assert.deepEqual((await messagesOf(id, `?leaf=${two.id}`)).map((m) => m.id),
      [user.id, two.id]);
  });

  test('edit replaces a message and what followed it, in a branch of its own', async () => {
    const { id } = await create();
    await all(await say(id, { content: 'Wrogn' }));
    await all(await say(id, { content: 'Second' }));
    const before = await messagesOf(id);
    await all(await say(id, { kind: 'edit', parent_id: before[0].id, content: 'Right' }));
    const now = await messagesOf(id);
    assert.equal(now.length, 2);
    assert.equal(now[0].content[0].text, 'Right');
    assert.equal(now[0].parent_id, before[0].parent_id);
    assert.equal((await messagesOf(id, '?all=true')).length, 6);
    const sent = JSON.stringify(stage.recorder.last.body.messages);
    assert.ok(!sent.includes('Wrogn') && !sent.includes('Second'));
  });

  test('a message after an older one begins a branch', async () => {
    const { id } = await create();
    await all(await say(id, { content: 'Root' }));
    const [, reply] = await messagesOf(id);
    await all(await say(id, { content: 'Left', parent_id: reply.id }));
    await all(await say(id, { content: 'Right', parent_id: reply.id }));
    const branch = await messagesOf(id);
    assert.deepEqual(branch.map((m) => m.content[0].text).filter((t) => t === 'Left'), []);
    assert.equal((await messagesOf(id, '?all=true')).length, 6);
  });

  test('pages lead to the beginning', async () => {
    const { id } = await create();
    for (const text of ['a', 'b', 'c']) await all(await say(id, { content: text }));
    const whole = await messagesOf(id);
    const late = (await api.get(`${root}/${id}/messages?limit=4`)).body;
    assert.equal(late.has_more, true);
    const early = (await api.get(
      `${root}/${id}/messages?limit=4&before=${late.messages[0].id}`)).body;
    assert.equal(early.has_more, false);
    assert.deepEqual([...early.messages, ...late.messages].map((m) => m.id),
      whole.map((m) => m.id));
  });
});

describe('tools of a client', () => {
  const schema = { type: 'object' };
  const tools = [{ type: 'function', function: { name: 'weather', parameters: schema } }];
  const call = toolCall('call_e2e', 'weather', { town: 'Lisbon' });

  test('are asked for in a stream, and the turn goes on with their results', async () => {
    const { id } = await create({ tools });
    stage.recorder.answerNextEvents(...chunks([{ tool_calls: [call] }], 'tool_calls'));
    const asked = await all(await say(id, { content: 'Weather?' }));
    assert.equal(asked.at(-1).event, 'finished');
    assert.equal(asked.at(-1).data.status, 'awaiting_tools');
    const message = asked.find((event) => event.event === 'message').data;
    const [part] = message.content.filter((one) => one.type === 'tool_call');
    assert.deepEqual(JSON.parse(part.arguments), { town: 'Lisbon' });
    const turn = asked[0].data.turn_id;
    assert.equal((await api.get(`${root}/${id}/turns/${turn}`)).body.status, 'awaiting_tools');
    stage.recorder.answerNextEvents(...chunks([{ content: 'Sunny.' }]));
    const answer = await all(await say(id, {
      kind: 'tool_results',
      content: [{ type: 'tool_result', call_id: part.call_id, content: '21 °C' }],
    }));
    assert.equal(answer[0].data.turn_id, turn);
    assert.equal(textOf(answer), 'Sunny.');
    assert.ok(!answer.some((event) => event.event === 'tool_call'));
    assert.equal(answer.at(-1).data.status, 'finished');
    const sent = stage.recorder.last.body.messages.at(-1);
    assert.equal(sent.role, 'tool');
    assert.equal(sent.tool_call_id, part.call_id);
  });

  test('are asked for whole, and a result nobody asked for is refused', async () => {
    const { id } = await create({ tools });
    stage.recorder.answerNextEvents(...chunks([{ tool_calls: [call] }], 'tool_calls'));
    const asked = await api.post(`${root}/${id}/messages`, { content: 'Weather?' });
    assert.equal(asked.body.status, 'awaiting_tools');
    const result = (call_id) => ({
      kind: 'tool_results', content: [{ type: 'tool_result', call_id, content: 'x' }],
    });
    assert.equal((await api.post(`${root}/${id}/messages`, result('call_other'))).status, 400);
    stage.recorder.answerNextEvents(...chunks([{ content: 'Rain.' }]));
    const answer = await api.post(`${root}/${id}/messages`, result('call_e2e'));
    assert.equal(answer.body.status, 'finished');
    assert.equal(answer.body.messages.at(-1).content.at(-1).text, 'Rain.');
    const none = (await create()).id;
    assert.equal((await api.post(`${root}/${none}/messages`, result('call_1'))).status, 409);
  });
});

describe('the same Idempotency-Key', () => {
  test('is the same turn, once', async () => {
    const { id } = await create();
    const headers = { 'idempotency-key': 'k-1' };
    const first = await api.post(`${root}/${id}/messages`, { content: 'Once' }, headers);
    const second = await api.post(`${root}/${id}/messages`, { content: 'Once' }, headers);
    assert.equal(first.body.duplicate, false);
    assert.equal(second.body.duplicate, true);
    assert.equal(second.body.turn_id, first.body.turn_id);
    assert.equal(second.body.messages.at(-1).id, first.body.messages.at(-1).id);
    assert.equal((await messagesOf(id)).length, 2);
    const other = (await create()).id;
    const third = await api.post(`${root}/${other}/messages`, { content: 'Once' }, headers);
    assert.equal(third.body.duplicate, false);
  });

  test('holds across a restart of the node', async () => {
    const { id } = await create();
    const headers = { 'idempotency-key': 'k-2' };
    const first = await api.post(`${root}/${id}/messages`, { content: 'Once' }, headers);
    assert.equal(await stage.node.stop(), 0);
    await stage.node.start();
    api = restClient(stage.node.url, secret);
    const second = await api.post(`${root}/${id}/messages`, { content: 'Once' }, headers);
    assert.equal(second.body.duplicate, true);
    assert.equal(second.body.turn_id, first.body.turn_id);
    assert.equal((await messagesOf(id)).length, 2);
  });
});
