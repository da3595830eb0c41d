/**
 * A program for lab tests, run in a unit's namespace: our speaker alone, without wires or decisions. Its argument is
 * JSON `AnnouncerOptions`; each line on stdin is a desired state, JSON `[[router, announcements], …]`; the first
 * line on stdout, `ready`, says that all sessions may announce.
 */
import { createInterface } from 'node:readline';
import type { Prefix } from '../../src/core/base/prefix.ts';
import { parsePrefix } from '../../src/core/base/prefix.ts';
import { asn, type RouterId, routerId } from '../../src/core/base/units.ts';
import type { Announcement } from '../../src/core/bgp/announcement.ts';
import { createSpeaker } from '../../src/speaker/index.ts';

export interface AnnouncerOptions {
  readonly asn: number;
  readonly address: string;
  readonly routers: ReadonlyArray<{ readonly name: string; readonly address: string }>;
  readonly networks: readonly string[];
}

// Written by the test.
const options = JSON.parse(process.argv[2] ?? '{}') as AnnouncerOptions;
const silent = () => {};
const speaker = createSpeaker({
  localAsn: asn(options.asn),
  routerId: options.address,
  routers: options.routers.map(({ name, address }) => ({
    name: routerId(name),
    address,
    localAddress: options.address,
    asn: asn(options.asn),
    announceDelayMs: 1000,
    mraiMs: 0,
  })),
  networks: options.networks.flatMap((text): Prefix[] => {
    const prefix = parsePrefix(text);
    return prefix.ok ? [prefix.value] : [];
  }),
  log: { debug: silent, info: silent, warn: silent },
});
await speaker.start();
const timer = setInterval(() => {
  if (!speaker.sessions().every((session) => session.isSettled)) return;
  process.stdout.write('ready\n');
  clearInterval(timer);
}, 100);
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const desired = JSON.parse(line) as ReadonlyArray<readonly [RouterId, readonly Announcement[]]>;
    speaker.setDesired(new Map(desired));
  })
  .on('close', () => {
    void speaker.stop().then(() => process.exit(0));
  });
