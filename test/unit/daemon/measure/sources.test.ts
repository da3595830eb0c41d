import { createSocket } from 'node:dgram';
import t from 'tap';
import { ByteWriter } from '../../../../src/core/base/bytes.ts';
import { systemClock } from '../../../../src/daemon/clock.ts';
import { observe } from '../../../../src/daemon/measure/observe.ts';
import { makeSources } from '../../../../src/daemon/measure/sources.ts';
import { settingsOf } from '../../../support/settings.ts';

/** A port that is free now. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  const port = await new Promise<number>((resolve) => {
    socket.bind(0, '127.0.0.1', () => resolve(socket.address().port));
  });
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** One NetFlow v5 datagram with one record: `bytes` in 10 packets from 203.0.113.9 to 198.51.100.9, in by `ifIndex`. */
function netflow5(bytes: number, ifIndex: number): Uint8Array {
  const nowS = Math.floor(Date.now() / 1000);
  const writer = new ByteWriter();
  writer.u16(5).u16(1).u32(60_000).u32(nowS).u32(0).u32(1).u16(0);
  writer.put(Uint8Array.of(0, 0));
  writer.put(Uint8Array.of(203, 0, 113, 9, 198, 51, 100, 9, 0, 0, 0, 0));
  writer.u16(ifIndex).u16(2).u32(10).u32(bytes).u32(58_000).u32(59_000).u16(443).u16(50_000);
  writer.put(Uint8Array.of(0, 0x18, 6, 0));
  return writer
    .u16(0)
    .u16(0)
    .put(Uint8Array.of(0, 24, 0, 0))
    .finish()
    .subarray(0, 72);
}

t.test(
  'what a router exports becomes the load of its links and blocks',
  {
    timeout: 60_000,
  },
  async (t) => {
    const port = await freePort();
    const settings = settingsOf(`
asn: 64512
networks: [198.51.100.0/24]
links:
  - { name: north, asn: 65001, capacity: 100M }
  - { name: south, asn: 65002, capacity: 100M }
flows:
  listen: [127.0.0.1:${port}]
  exporters:
    - { address: 127.0.0.1, interfaces: [{ link: north, if_index: 7 }, { link: south, if_index: 8 }] }
`);
    const sources = makeSources(settings, 60_000, systemClock, {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    });
    if (!sources) throw new Error('settings name flow exports');
    await sources.start();
    const socket = createSocket('udp4');
    const carried = () => sources.flows()?.blocks.length ?? 0;
    for (const deadline = Date.now() + 20_000; carried() === 0 && Date.now() < deadline; ) {
      // UDP may lose even here: sent until one arrives.
      socket.send(netflow5(1_000_000, 8), port, '127.0.0.1');
      await new Promise((resolve) => setTimeout(resolve, 20));
      await sources.drain();
    }
    const flows = sources.flows();
    if (!flows) throw new Error('a stretch');
    const seen = observe({ at: Date.now(), settings, samples: sources.links(), flows });
    const [north, south] = seen.links;
    t.equal(north?.inbound?.value, 0);
    t.ok((south?.inbound?.value ?? 0) > 0);
    t.equal(south?.inbound?.source, 'netflow');
    t.same(seen.blocks[0]?.inbound, [{ link: 'south', rate: south?.inbound?.value }]);
    t.equal(seen.blocks[0]?.coverage, 1);

    const unknown = () => sources.lost().find((loss) => loss.reason === 'unknown_link')?.count ?? 0;
    for (const deadline = Date.now() + 20_000; unknown() === 0 && Date.now() < deadline; ) {
      socket.send(netflow5(1_000_000, 9), port, '127.0.0.1');
      await new Promise((resolve) => setTimeout(resolve, 20));
      await sources.drain();
    }
    t.ok(unknown() > 0, 'a record of no link is counted');
    socket.close();
    await sources.stop();
  },
);

t.test('without sources in the settings there are none', (t) => {
  const settings = settingsOf(
    'asn: 1\nnetworks: [198.51.100.0/24]\nlinks: [{ name: n, asn: 2, capacity: 1G }]\n',
  );
  const silent = () => undefined;
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  t.equal(makeSources(settings, 1000, systemClock, log), undefined);
  t.end();
});
