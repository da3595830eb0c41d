/**
 * Neighbours that send a full table to whoever connects: `feeder.js LIMIT ADDRESS=ASN…`, each at its own address.
 * The table is built once; the neighbours' own AS is put in for each. Prints JSON lines: { "prefixes" } when it
 * listens, then { "startedMs" } for each session that is established.
 */
import { createServer, type Socket } from 'node:net';
import { asn } from '../../../src/core/base/units.ts';
import { buildOpen } from '../../../src/core/bgp/negotiate.ts';
import { messageType } from '../../../src/core/wire/bgp/codes.ts';
import { MessageSplitter } from '../../../src/core/wire/bgp/framing.ts';
import { encodeKeepalive } from '../../../src/core/wire/bgp/notification.ts';
import { encodeOpen } from '../../../src/core/wire/bgp/open.ts';
import { buildFeed, forPeer } from './feed.ts';
import { type FeedPeer, receiverAsn } from './receivers/receiver.ts';

const [limitText = '2000000', ...peerTexts] = process.argv.slice(2);
const peers = peerTexts.map((text): FeedPeer => {
  const [address = '', asnText] = text.split('=');
  return { address, asn: Number(asnText) };
});
const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
const feed = buildFeed(Number(limitText));
for (const peer of peers) {
  const bytes = forPeer(feed.bytes, peer.asn);
  const server = createServer((socket) => serve(socket, peer, bytes));
  await new Promise<void>((resolve) => server.listen(179, peer.address, resolve));
}
say({ prefixes: feed.prefixes, attributeSets: feed.attributeSets });

function serve(socket: Socket, peer: FeedPeer, bytes: Uint8Array): void {
  const splitter = new MessageSplitter();
  let isStarted = false;
  // A receiver that is killed is no concern of ours.
  socket.on('error', () => {});
  const open = buildOpen(
    {
      localAsn: asn(peer.asn),
      peerAsn: asn(receiverAsn),
      routerId: peer.address,
      holdTimeS: 0,
      isPassive: true,
      families: [4, 6],
      addPath: false,
      gracefulRestartS: 0,
      staleMaxS: 0,
    },
    false,
  );
  socket.write(encodeOpen(open));
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
