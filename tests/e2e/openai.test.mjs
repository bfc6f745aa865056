// The official client of OpenAI against Troupe: what works with OpenAI works here.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { chunks, completion, toolCall } from './support/recorder.mjs';
import { startStage } from './support/stage.mjs';

let stage;
let key;
let client;

const question = { model: 'mock', messages: [{ role: 'user', content: 'Say something.' }] };
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather of a town',
    parameters: { type: 'object', properties: { town: { type: 'string' } } },
  },
};

before(async () => {
  stage = await startStage();
  key = (await stage.node.makeKey('e2e', 'openai')).secret;
  client = new OpenAI({ baseURL: `${stage.node.url}/v1`, apiKey: key, maxRetries: 0 });
});
after(() => stage?.stop());

describe('chat', () => {
  test('a whole answer has its text, its end and its usage', async () => {
    const answer = await client.chat.completions.create(question);
    assert.equal(answer.object, 'chat.completion');
    assert.equal(answer.choices[0].message.role, 'assistant');
    assert.ok(answer.choices[0].message.content.length > 0);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.usage.total_tokens,
      answer.usage.prompt_tokens + answer.usage.completion_tokens);
    assert.equal(stage.recorder.last.headers.authorization, 'Bearer sk-upstream');
  });

  test('a streamed answer comes in pieces and says no usage unless asked', async () => {
    const stream = await client.chat.completions.create({ ...question, stream: true });
    let text = '';
    let count = 0;
    for await (const chunk of stream) {
      count += 1;
      assert.equal(chunk.object, 'chat.completion.chunk');
      assert.ok(chunk.choices.length > 0);
      assert.ok(!chunk.usage);
      text += chunk.choices[0].delta.content ?? '';
    }
    assert.ok(count > 2);
    assert.ok(text.length > 0);
    assert.equal(stage.recorder.last.body.stream_options.include_usage, true);
  });

  test('a streamed answer ends with its usage when asked', async () => {
    const stream = await client.chat.completions.create({
      ...question, stream: true, stream_options: { include_usage: true },
    });
    const list = [];
    for await (const chunk of stream) list.push(chunk);
    assert.deepEqual(list.at(-1).choices, []);
    assert.ok(list.at(-1).usage.total_tokens > 0);
  });

  test('tools are called and answered, whole', async () => {
    const call = toolCall('call_1', 'weather', { town: 'Lisbon' });
    stage.recorder.answerNextJson(200, completion({ tool_calls: [call] }, 'tool_calls'));
    const asked = await client.chat.completions.create({ ...question, tools: [weather] });
    assert.equal(asked.choices[0].finish_reason, 'tool_calls');
    const [made] = asked.choices[0].message.tool_calls;
    assert.deepEqual(JSON.parse(made.function.arguments), { town: 'Lisbon' });
    assert.deepEqual(stage.recorder.last.body.tools, [weather]);
    stage.recorder.answerNextJson(200, completion({ content: 'Sunny.' }));
    const answer = await client.chat.completions.create({
      ...question,
      tools: [weather],
      messages: [...question.messages, asked.choices[0].message,
        { role: 'tool', tool_call_id: made.id, content: '21 °C' }],
    });
    assert.equal(answer.choices[0].message.content, 'Sunny.');
    assert.equal(stage.recorder.last.body.messages.at(-1).tool_call_id, 'call_1');
  });

  test('tools are called in a stream, piece by piece', async () => {
    const whole = toolCall('call_2', 'weather', { town: 'Oslo' });
    const half = whole.function.arguments.length / 2;
    stage.recorder.answerNextEvents(...chunks([
      { role: 'assistant', tool_calls: [{ ...whole, function: { name: 'weather',
        arguments: whole.function.arguments.slice(0, half) } }] },
      { tool_calls: [{ index: 0, function: {
        arguments: whole.function.arguments.slice(half) } }] },
    ], 'tool_calls'));
    const stream = client.chat.completions.stream({ ...question, tools: [weather] });
    const answer = await stream.finalChatCompletion();
    const [call] = answer.choices[0].message.tool_calls;
    assert.equal(call.id, 'call_2');
    assert.deepEqual(JSON.parse(call.function.arguments), { town: 'Oslo' });
  });

  test('every field passes through, known or not', async () => {
    const fields = {
      messages: [{
        role: 'user',
        content: [
          { type: 'text', text: 'What is it?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
        ],
      }],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'x', strict: true, schema: { type: 'object', properties: {} } },
      },
      logprobs: true,
      top_logprobs: 3,
      seed: 42,
      temperature: 0.25,
      stop: ['END'],
      logit_bias: { 50256: -100 },
      tool_choice: 'auto',
      tools: [weather],
      parallel_tool_calls: false,
      reasoning_effort: 'low',
      metadata: { purpose: 'test' },
      user: 'someone',
      a_field_of_next_year: { deep: [1, 2.5, null, 'ü'] },
    };
    const logprobs = { content: [{ token: 'a', logprob: -0.1, bytes: [97], top_logprobs: [] }] };
    const given = completion({ content: '{}' });
    given.choices[0].logprobs = logprobs;
    given.system_fingerprint = 'fp_1';
    stage.recorder.answerNextJson(200, given);
    const answer = await client.chat.completions.create({ model: 'mock', ...fields });
    const { model, ...sent } = stage.recorder.last.body;
    assert.equal(model, 'mock');
    assert.deepEqual(sent, fields);
    assert.deepEqual(answer.choices[0].logprobs, logprobs);
    assert.equal(answer.system_fingerprint, 'fp_1');
  });

  test('a client that leaves in mid-stream closes the upstream within 100 ms', async () => {
    stage.recorder.answerNext((_, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      const [chunk] = chunks([{ content: 'word ' }]);
      const timer = setInterval(() => outgoing.write(`data: ${JSON.stringify(chunk)}\n\n`), 20);
      outgoing.on('close', () => clearInterval(timer));
    });
    const stream = await client.chat.completions.create({ ...question, stream: true });
    let count = 0;
    let left = 0;
    for await (const _ of stream) {
      count += 1;
      if (count === 5) {
        left = performance.now();
        break; // the client aborts its request
      }
    }
    const closed = await stage.recorder.last.closed;
    assert.ok(stage.recorder.last.aborted);
    assert.ok(closed - left < 100, `it took ${closed - left} ms`);
  });

  test('a client that leaves before the first byte closes the upstream too', async () => {
    let asked;
    const begun = new Promise((resolve) => { asked = resolve; });
    stage.recorder.answerNext(() => asked()); // never answers
    const abort = new AbortController();
    const answer = client.chat.completions.create(question, { signal: abort.signal });
    await begun;
    const left = performance.now();
    abort.abort();
    await assert.rejects(answer, OpenAI.APIUserAbortError);
    const closed = await stage.recorder.last.closed;
    assert.ok(closed - left < 100, `it took ${closed - left} ms`);
  });

  test('an upstream that dies in mid-stream is an error, never a short success', async () => {
    stage.recorder.answerNext((_, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      const [chunk] = chunks([{ content: 'half' }]);
      outgoing.write(`data: ${JSON.stringify(chunk)}\n\n`, () => outgoing.destroy());
    });
    const stream = await client.chat.completions.create({ ...question, stream: true });
    await assert.rejects(async () => {
      for await (const _ of stream) { /* until it breaks */ }
    });
  });
});

describe('the rest of the API', () => {
  test('completions, whole and streamed', async () => {
    const whole = await client.completions.create({ model: 'mock', prompt: 'Once' });
    assert.equal(whole.object, 'text_completion');
    assert.ok(whole.choices[0].text.length > 0);
    const stream = await client.completions.create({ model: 'mock', prompt: 'Once', stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
    assert.ok(text.length > 0);
  });

  test('embeddings, as numbers and as base64', async () => {
    const two = await client.embeddings.create({
      model: 'mock', input: ['one', 'two'], encoding_format: 'float',
    });
    assert.equal(two.data.length, 2);
    assert.equal(typeof two.data[0].embedding[0], 'number');
    assert.ok(two.usage.prompt_tokens > 0);
    // The client asks for base64 by default and decodes it.
    const packed = await client.embeddings.create({ model: 'mock', input: 'one' });
    assert.equal(typeof packed.data[0].embedding[0], 'number');
  });

  test('models, all and one', async () => {
    const list = [];
    for await (const model of client.models.list()) list.push(model);
    assert.ok(list.length > 0);
    assert.equal(list[0].object, 'model');
    const one = await client.models.retrieve(list[0].id);
    assert.equal(one.id, list[0].id);
    await assert.rejects(client.models.retrieve('no/such model'), OpenAI.NotFoundError);
  });
});

describe('errors are what the client knows', () => {
  const withKey = (apiKey) => new OpenAI({
    baseURL: `${stage.node.url}/v1`, apiKey, maxRetries: 0,
  });

  test('a wrong key, and no key', async () => {
    for (const wrong of ['sk-troupe-wrong', 'x'.repeat(5000)]) {
      await assert.rejects(withKey(wrong).chat.completions.create(question), (error) => {
        assert.ok(error instanceof OpenAI.AuthenticationError);
        assert.equal(error.code, 'invalid_api_key');
        assert.ok(error.requestID);
        return true;
      });
    }
    const bare = await fetch(`${stage.node.url}/v1/models`);
    assert.equal(bare.status, 401);
    const { error } = await bare.json();
    assert.deepEqual(Object.keys(error).sort(), ['code', 'message', 'param', 'type']);
  });

  test('a revoked key, and one without the scope', async () => {
    const gone = await stage.node.makeKey('gone', 'openai');
    await withKey(gone.secret).models.list();
    await stage.node.run('key', 'revoke', gone.id);
    await assert.rejects(withKey(gone.secret).models.list(), OpenAI.AuthenticationError);
    const other = await stage.node.makeKey('other', 'api');
    await assert.rejects(withKey(other.secret).models.list(), OpenAI.PermissionDeniedError);
  });

  test('an over-long body is 413 in OpenAI\'s shape', async () => {
    const messages = [{ role: 'user', content: 'x'.repeat(1_200_000) }];
    await assert.rejects(client.chat.completions.create({ model: 'mock', messages }), (error) => {
      assert.equal(error.status, 413);
      assert.equal(error.type, 'invalid_request_error');
      assert.match(error.message, /1048576|1,048,576|bytes/);
      return true;
    });
  });

  test('an unknown model is 404 with its code', async () => {
    const lost = client.chat.completions.create({ ...question, model: 'nope' });
    await assert.rejects(lost, (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'model_not_found');
      return true;
    });
  });

  test('a body that is no JSON, and one without messages', async () => {
    const send = (body) => fetch(`${stage.node.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body,
    });
    for (const body of ['{', '[]', '{"model":"mock"}', '{"messages":[]}', '{"model":7}']) {
      const answer = await send(body);
      assert.equal(answer.status, 400, body);
      assert.equal((await answer.json()).error.type, 'invalid_request_error');
    }
    assert.equal((await send('{"model":"mock","messages":[]}')).status, 400);
  });

  test('an upstream over its limit is 429, and says when to come back', async () => {
    const refusal = { error: { message: 'slow down', type: 'rate_limit_error', code: null } };
    stage.recorder.answerNextJson(429, refusal, { 'retry-after': '7' });
    await assert.rejects(client.chat.completions.create(question), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError);
      assert.equal(error.headers.get('retry-after'), '7');
      return true;
    });
  });

  test('a refusal of the upstream is passed on as it is', async () => {
    stage.recorder.answerNextJson(400, {
      error: { message: 'too many tokens', type: 'invalid_request_error', param: 'messages',
        code: 'context_length_exceeded' },
    });
    await assert.rejects(client.chat.completions.create(question), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.code, 'context_length_exceeded');
      return true;
    });
  });

  test('the upstream\'s own key is never shown', async () => {
    stage.recorder.answerNextJson(401, {
      error: { message: 'Incorrect API key provided: sk-upstream', code: 'invalid_api_key' },
    });
    await assert.rejects(client.chat.completions.create(question), (error) => {
      assert.ok(!JSON.stringify(error).includes('sk-upstream'));
      assert.ok(!error.message.includes('sk-upstream'));
      return true;
    });
  });

  test('a wrong path and a wrong method', async () => {
    const headers = { authorization: `Bearer ${key}` };
    const lost = await fetch(`${stage.node.url}/v1/nothing`, { headers });
    assert.equal(lost.status, 404);
    assert.ok((await lost.json()).error.type);
    const wrong = await fetch(`${stage.node.url}/v1/chat/completions`, { headers });
    assert.equal(wrong.status, 405);
    assert.match(wrong.headers.get('allow'), /POST/);
  });
});
