// Stands between a node and its upstream: notes what was asked and when connections closed, and
// answers in the upstream's place when a test wants a certain answer.
import { createServer, request as ask } from 'node:http';

export const startRecorder = async (upstreamUrl) => {
  const seen = [];
  const scripts = [];

  const server = createServer((incoming, outgoing) => {
    const chunks = [];
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const entry = { path: incoming.url, headers: incoming.headers, closed: null, aborted: false };
      try { entry.body = JSON.parse(text); } catch { entry.body = text; }
      entry.closed = new Promise((resolve) => {
        outgoing.on('close', () => {
          entry.aborted = !outgoing.writableFinished;
          resolve(performance.now());
        });
      });
      seen.push(entry);
      const script = scripts.shift();
      if (script) script(entry, outgoing);
      else forward(incoming, text, outgoing);
    });
  });

  const forward = (incoming, text, outgoing) => {
    const target = new URL(incoming.url, upstreamUrl);
    const { host, 'transfer-encoding': _, ...headers } = incoming.headers;
    headers['content-length'] = Buffer.byteLength(text);
    const onward = ask(target, { method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    onward.end(text);
  };

  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** All requests so far. */
    seen,
    get last() { return seen.at(-1); },
    /** The next request is answered by `script(entry, response)`. */
    answerNext(script) { scripts.push(script); },
    answerNextJson(status, body, headers = {}) {
      scripts.push((_, outgoing) => {
        outgoing.writeHead(status, { 'content-type': 'application/json', ...headers });
        outgoing.end(JSON.stringify(body));
      });
    },
    /** The next request is answered with these chunks as server-sent events. */
    answerNextEvents(...chunks) {
      scripts.push((_, outgoing) => {
        outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const chunk of chunks) outgoing.write(`data: ${JSON.stringify(chunk)}\n\n`);
        outgoing.end('data: [DONE]\n\n');
      });
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => { server.close(resolve); });
    },
  };
};

const base = { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'mock' };

/** A whole chat completion. */
export const completion = (message, finish_reason = 'stop') => ({
  ...base,
  choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason }],
  usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 },
});

/** The chunks of a streamed one: each a delta, then the end with its usage. */
export const chunks = (deltas, finish_reason = 'stop') => [
  ...deltas.map((delta) => ({
    ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: null }],
  })),
  { ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason }] },
  {
    ...base, object: 'chat.completion.chunk', choices: [],
    usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 },
  },
];

export const toolCall = (id, name, args) => ({
  index: 0, id, type: 'function', function: { name, arguments: JSON.stringify(args) },
});
