// The real koishi with its OneBot adapter, waiting for a OneBot implementation to dial in. It
// echoes what is said to it, with who said it where. Usage: node koishi.mjs <self id> <file>
// Once it listens, its port is in <file>.
import { rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';

const require = createRequire(import.meta.url);
const { Context, Universal } = require('koishi');
const http = require('@koishijs/plugin-http');
const server = require('@koishijs/plugin-server');
const onebot = require('koishi-plugin-adapter-onebot');

const [selfId, portFile] = process.argv.slice(2);
const host = '127.0.0.1';

// The server wants a number of its own; this one was free just now.
const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, host, () => {
    const free = probe.address().port;
    probe.close(() => resolve(free));
  });
});

const app = new Context();
app.plugin(http.default ?? http);
app.plugin(server.default ?? server, { host, port });
app.plugin(onebot.default ?? onebot, { selfId, protocol: 'ws-reverse', path: '/onebot' });

app.middleware(async (session) => {
  const where = session.isDirect ? 'private' : `group ${session.guildId}`;
  const quoted = session.quote ? ` on "${session.quote.content}"` : '';
  const said = `${session.stripped.content}${quoted}`;
  await session.send(`echo ${said} from ${session.userId} in ${where}`);
});

// A connection that ends after the next one came takes that one's sender with it: whoever dials
// again waits for this line first.
app.on('bot-status-updated', (bot) => {
  if (bot.status === Universal.Status.OFFLINE) console.log('the bot is offline');
});

await app.start();
await writeFile(`${portFile}.new`, String(port));
await rename(`${portFile}.new`, portFile);
