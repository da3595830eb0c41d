/** Sessions that only the right neighbour can have. */
import type { Test } from 'tap';
import { asn } from '../../../../src/core/base/units.ts';
import { openSecureSocket } from '../../../../src/engine/index.ts';
import { createSpeaker } from '../../../../src/speaker/index.ts';
import { border, eventually } from '../border.ts';
import type { RouterKind } from '../routers/router.ts';
import { announce, block, find, networks, open, ourAsn, peerName } from '../suite.ts';

export async function signed(t: Test, kind: RouterKind): Promise<void> {
  const right = await open(
    t,
    kind,
    { md5: 'correct-horse' },
    { md5: 'correct-horse' },
    openSecureSocket,
  );
  announce(right.speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(right.router, '198.51.100.0/24'));
  const wrong = createSpeaker({
    routers: [
      {
        name: peerName,
        address: border.router.ipv4,
        localAddress: '10.99.0.9',
        asn: asn(ourAsn),
        md5: 'wrong',
      },
    ],
    localAsn: asn(ourAsn),
    routerId: '10.99.0.8',
    networks,
    log: { debug: () => {}, info: () => {}, warn: () => {} },
    openSocket: (request) => openSecureSocket({ ...request, timeoutMs: 1_500 }),
  });
  t.teardown(() => wrong.stop());
  await wrong.start();
  await eventually('the wrong key fails by silence', () =>
    /no answer/.test(wrong.sessions()[0]?.lastError?.text ?? ''),
  );
}

export async function hops(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(
    t,
    kind,
    { gtsm: true },
    { ttlSecurityHops: 1 },
    openSecureSocket,
  );
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  t.pass();
}
