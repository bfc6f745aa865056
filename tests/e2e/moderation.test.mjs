// Moderation as OpenAI's official client sees it, and as an administrator does.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { chunks } from './support/recorder.mjs';
import { restClient, startStage } from './support/stage.mjs';

let stage;
let client;
let rest;

const question = { model: 'mock', messages: [{ role: 'user', content: 'Say something.' }] };

before(async () => {
  stage = await startStage();
  const { secret } = await stage.node.makeKey('e2e', 'openai');
  const admin = (await stage.node.makeKey('admin', 'admin')).secret;
  client = new OpenAI({ baseURL: `${stage.node.url}/v1`, apiKey: secret, maxRetries: 0 });
  rest = restClient(stage.node.url, admin);
  await rest.post('/api/v1/lexicons', { name: 'house' });
  const edited = await rest.post('/api/v1/lexicons/house/items', {
    put: [{ text: 'atlantis', category: 'cities', level: 4 },
      { text: 'brawling', category: 'violence', level: 9, action: 'block' }],
  });
  assert.equal(edited.status, 200);
  const until = Date.now() + 20_000;
  for (;;) {
    const { body } = await rest.get('/api/v1/moderation/status');
    if (body.items === 2) break;
    assert.ok(Date.now() < until, 'the lexicon is not at work');
    await new Promise((resolve) => { setImmediate(resolve); });
  }
});
after(() => stage?.stop());

test('texts are moderated in the shape that the client knows', async () => {
  const answer = await client.moderations.create({
    model: 'omni-moderation-latest', input: ['on to ATLANTIS', 'brawling', 'all is well'],
  });
  assert.match(answer.id, /^modr-/);
  assert.equal(answer.model, 'omni-moderation-latest');
  assert.deepEqual(answer.results.map(({ flagged }) => flagged), [true, true, false]);
  const [city, fight, none] = answer.results;
  assert.equal(city.categories.cities, true);
  assert.equal(city.category_scores.cities, 0.5);
  assert.equal(city.categories.violence, false);
  assert.equal(fight.categories.violence, true);
  assert.equal(fight.category_scores.violence, 1);
  for (const name of ['harassment', 'hate/threatening', 'self-harm/intent', 'sexual/minors']) {
    assert.equal(none.categories[name], false);
    assert.equal(none.category_scores[name], 0);
    assert.deepEqual(none.category_applied_input_types[name], ['text']);
  }
});

test('one text, and parts of one', async () => {
  const one = await client.moderations.create({ input: 'atlantis' });
  assert.equal(one.results.length, 1);
  const parts = await client.moderations.create({
    input: [{ type: 'text', text: 'all is well' }, { type: 'text', text: 'brawling' }],
  });
  assert.equal(parts.results.length, 1);
  assert.equal(parts.results[0].flagged, true);
});

test('what is no text is refused', async () => {
  for (const input of [[], [1], [[]], [{ type: 'image_url', image_url: { url: 'x' } }]])
    await assert.rejects(client.moderations.create({ input }), OpenAI.BadRequestError);
});

test('a message with a blocked word is refused as OpenAI refuses one', async () => {
  const asked = { ...question, messages: [{ role: 'user', content: 'brawling' }] };
  await assert.rejects(client.chat.completions.create(asked), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.code, 'content_filter');
    return true;
  });
});

test('a masked message reaches the model masked', async () => {
  await client.chat.completions.create({
    ...question, messages: [{ role: 'user', content: 'on to Atlantis' }],
  });
  assert.equal(stage.recorder.last.body.messages[0].content, 'on to ********');
});

test('a blocked stream ends with content_filter', async () => {
  stage.recorder.answerNextEvents(
    ...chunks([{ content: 'it is bra' }, { content: 'wling here' }]));
  const stream = await client.chat.completions.create({ ...question, stream: true });
  let text = '';
  let reason;
  for await (const { choices: [choice] } of stream) {
    text += choice.delta.content ?? '';
    reason = choice.finish_reason ?? reason;
  }
  assert.equal(text, 'it is ');
  assert.equal(reason, 'content_filter');
});

test('what was found is audited, without the text around it', async () => {
  const until = Date.now() + 20_000;
  let hits = [];
  while (hits.length < 2 && Date.now() < until)
    ({ body: { hits } } = await rest.get('/api/v1/moderation/hits?category=violence'));
  assert.ok(hits.some(({ direction }) => direction === 'user'));
  assert.ok(hits.some(({ direction }) => direction === 'model'));
  for (const hit of hits) {
    assert.equal(hit.text, 'brawling');
    assert.equal(hit.action, 'block');
    assert.equal(hit.lexicon, 'house');
    assert.ok(!JSON.stringify(hit).includes('it is'));
  }
});

test('a text is tried, with what would go on of it', async () => {
  const { status, body } = await rest.post('/api/v1/moderation/test', { text: 'on to ATLANTIS' });
  assert.equal(status, 200);
  const [{ hits: [hit], rendered, action }] = body.results;
  assert.equal(rendered, 'on to ********');
  assert.equal(action, 'mask');
  assert.deepEqual(hit.folds, ['letter_case']);
  assert.deepEqual([hit.begin, hit.end, hit.lexicon], [6, 14, 'house']);
});
