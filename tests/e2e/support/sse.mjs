// Reads server-sent events from a fetch response.
export async function* events(response) {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body) {
    rest += decoder.decode(bytes, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = { event: 'message', data: '' };
      for (const line of rest.slice(0, end).split('\n')) {
        const colon = line.indexOf(':');
        const name = line.slice(0, colon);
        const value = line.slice(colon + 1).replace(/^ /, '');
        if (name === 'data') event.data += (event.data && '\n') + value;
        else if (name) event[name] = value;
      }
      rest = rest.slice(end + 2);
      if (event.event !== 'heartbeat') yield { ...event, data: JSON.parse(event.data) };
    }
  }
}

export const all = async (response) => {
  const out = [];
  for await (const event of events(response)) out.push(event);
  return out;
};

export const textOf = (list) => list.filter((e) => e.event === 'delta')
  .map((e) => e.data.text ?? '').join('');
