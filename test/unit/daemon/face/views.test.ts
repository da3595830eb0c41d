import t from 'tap';
import { prefixText, type RouterId, routerId } from '../../../../src/core/base/units.ts';
import { initialState } from '../../../../src/core/decide/index.ts';
import { policyOf } from '../../../../src/daemon/configure.ts';
import { Conditions } from '../../../../src/daemon/face/conditions.ts';
import { quicReadings } from '../../../../src/daemon/face/families/quic.ts';
import { complaints, type Picture, wireView } from '../../../../src/daemon/face/views.ts';
import { Loop } from '../../../../src/daemon/loop.ts';
import type { QuicCount } from '../../../../src/engine/index.ts';
import type { AnnouncedRoute } from '../../../../src/speaker/index.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';
import { snapshotOf } from '../../../support/snapshot.ts';

const settings = settingsOf(twoLinks);

function pictureOf(announced: ReadonlyMap<RouterId, readonly AnnouncedRoute[]>): Picture {
  const loop = new Loop({
    mode: 'control',
    policy: policyOf(settings),
    initial: { state: initialState(), isWithdrawn: false },
    act: () => undefined,
    onCycle: () => undefined,
    onMoves: () => undefined,
  });
  const conditions = new Conditions();
  const empty = { snapshot: undefined, seen: undefined, sessions: [], at: 0, started: 0 };
  return { settings, loop, conditions, announced, ...empty };
}

const route = (
  text: string,
  state: AnnouncedRoute['state'],
  waitsFor?: string,
): AnnouncedRoute => ({
  announcement: {
    prefix: prefixText(text),
    communities: [],
    largeCommunities: [],
    prepend: 0,
    requires: [routerId('br1'), routerId('br2')],
  },
  nextHop: '10.0.0.10',
  state,
  reason: waitsFor === undefined ? '' : `router ${waitsFor} does not carry it`,
  ...(waitsFor === undefined ? {} : { waitsFor: routerId(waitsFor) }),
});

t.test('round trips of QUIC are shown with the sessions that they cover, where they are', (t) => {
  const snapshot = snapshotOf(0, { inbound: {} });
  const [wire] = snapshot.wires;
  if (!wire) throw new Error('a snapshot has a wire');
  const counts = { sessions: 40, spinning: 4, packetsRefused: 1, samples: 90 };
  const measured = { ...counts, rttUsP5: 6000, rttUsP25: 7000 };
  const none = { ...counts, samples: 0, rttUsP5: undefined, rttUsP25: undefined };
  t.equal(wireView(wire).quic, undefined, 'unless it is followed');
  const of = (quic: QuicCount) => wireView({ ...wire, quic }).quic;
  const seen = { sessions: 40, spinning: 4, packets_refused: 1 };
  t.same(of(measured), { ...seen, rtt_us: { samples: 90, p5: 6000, p25: 7000 } });
  t.same(of(none), { ...seen, rtt_us: { samples: 0, p5: null, p25: null } });
  const values = (quic: QuicCount) =>
    quicReadings.flatMap(({ name, read }) =>
      read({ snapshot: { ...snapshot, wires: [{ ...wire, quic }] } }).map(
        (sample) =>
          `${name} ${sample.labels?.percentile ?? ''} ${'value' in sample ? sample.value : ''}`,
      ),
    );
  t.same(values(measured), [
    'headgate_quic_sessions_total  40',
    'headgate_quic_spinning_sessions_total  4',
    'headgate_quic_refused_packets_total  1',
    'headgate_quic_spin_rtt_seconds 5 0.006',
    'headgate_quic_spin_rtt_seconds 25 0.007',
  ]);
  t.equal(values(none).length, 3, 'no quantile without samples');
  t.end();
});

t.test(
  'blocks that are held back are counted once, by the router that they wait for',
  async (t) => {
    const told = [
      route('198.51.100.0/24', 'waiting', 'br2'),
      route('198.51.101.0/24', 'waiting', 'br2'),
    ];
    const found = complaints(
      pictureOf(
        new Map([
          [routerId('br1'), told],
          [routerId('br2'), told],
        ]),
      ),
    );
    t.same([...found.keys()], ['held br2']);
    t.match(
      found.get('held br2'),
      /^2 blocks are announced by no router while br2 does not carry them, .* bgp\.required: false/,
    );
  },
);

t.test('what is sent, or waits for something else, is held back by nobody', async (t) => {
  const told = [route('198.51.100.0/24', 'sent'), route('198.51.101.0/24', 'waiting')];
  t.same([...complaints(pictureOf(new Map([[routerId('br1'), told]]))).keys()], []);
});
