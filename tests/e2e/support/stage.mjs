// What most tests stand on: a mock upstream, the recorder before it, and a node before that.
import { startMock, startNode } from './nodes.mjs';
import { startRecorder } from './recorder.mjs';

export const startStage = async (extra = '') => {
  const mock = await startMock();
  const recorder = await startRecorder(mock.url);
  const node = await startNode(`
upstreams:
  - name: mock
    base_url: ${recorder.url}/v1
    api_key: sk-upstream
    allow_private: true
    models: ["mock", "mock*", "gpt-*"]
    retries_max: 0
session:
  default_model: mock
gateway:
  body_bytes_max: 1048576
${extra}`);
  return {
    mock,
    recorder,
    node,
    async stop() {
      await node.remove();
      await recorder.stop();
      await mock.stop();
    },
  };
};

/** A client of /api/v1: gives {status, body, headers}. */
export const restClient = (url, key) => {
  const call = async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    let parsed = text;
    try { parsed = JSON.parse(text); } catch { /* text it is */ }
    return { status: response.status, body: parsed, headers: response.headers };
  };
  return {
    call,
    get: (path, headers) => call('GET', path, undefined, headers),
    post: (path, body, headers) => call('POST', path, body, headers),
    patch: (path, body) => call('PATCH', path, body),
    del: (path) => call('DELETE', path),
    /** A response whose body is a stream of events. */
    stream: (method, path, body, { headers = {}, signal } = {}) => fetch(url + path, {
      method,
      signal,
      headers: {
        authorization: `Bearer ${key}`, accept: 'text/event-stream',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    }),
  };
};
