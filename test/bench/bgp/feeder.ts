/**
 * A neighbour that sends a full table to whoever connects: `feeder.js ADDRESS ASN LIMIT`. Prints JSON lines:
 * { "ready", "prefixes", "attributeSets" }, then { "startedMs" } when a session is established.
 */
import { createServer, type Socket } from 'node:net';
import { asn } from '../../../src/core/base/units.ts';
import { buildOpen } from '../../../src/core/bgp/negotiate.ts';
import { messageType } from '../../../src/core/wire/bgp/codes.ts';
import { MessageSplitter } from '../../../src/core/wire/bgp/framing.ts';
import { encodeKeepalive } from '../../../src/core/wire/bgp/notification.ts';
import { encodeOpen } from '../../../src/core/wire/bgp/open.ts';
import { buildFeed, type Feed } from './feed.ts';

const [address = '127.0.1.1', asnText = '65101', limitText = '2000000'] = process.argv.slice(2);
const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
const feed = buildFeed(Number(asnText), Number(limitText));
const bytes = Buffer.concat(feed.chunks);

createServer((socket) => serve(socket, feed)).listen(179, address, () =>
  say({
    ready: true,
    prefixes: feed.prefixes,
    attributeSets: feed.attributeSets,
    bytes: bytes.length,
  }),
);

function serve(socket: Socket, _: Feed): void {
  const splitter = new MessageSplitter();
  let isStarted = false;
  socket.on('error', () => {});
  socket.write(
    encodeOpen(
      buildOpen(
        {
          localAsn: asn(Number(asnText)),
          peerAsn: asn(64512),
          routerId: address,
          holdTimeS: 0,
          isPassive: true,
          families: [4, 6],
          addPath: false,
          gracefulRestartS: 0,
          staleMaxS: 0,
        },
        false,
      ),
    ),
  );
  socket.on('data', (chunk) => {
    splitter.push(new Uint8Array(chunk));
    for (let next = splitter.next(); next?.ok; next = splitter.next()) {
      if (next.value.type === messageType.open) socket.write(encodeKeepalive());
      if (next.value.type !== messageType.keepalive || isStarted) continue;
      isStarted = true;
      say({ startedMs: Date.now() });
      socket.write(bytes);
    }
  });
}
