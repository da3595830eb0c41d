import t from 'tap';
import { renderStatus } from '../../../../src/cli/status.ts';
import type { StatusView } from '../../../../src/control/index.ts';
import { wholeStatus } from '../../../../src/daemon/units/whole-status.ts';

const statusOf = (unit: string, more: Partial<StatusView> = {}): StatusView => ({
  mode: 'control',
  state: 'ok',
  reasons: [],
  started: 0,
  at: 60_000,
  cycles: unit === 'east' ? 7 : 0,
  is_withdrawn: false,
  wires: [
    {
      name: 'w',
      driver: 'tc',
      driver_reason: 'set',
      state: 'forwarding',
      inbound_packets: 1,
      outbound_packets: 1,
      coverage: 1,
      lost: {},
    },
  ],
  routers: [
    {
      name: `br-${unit}`,
      address: '10.0.0.1',
      asn: 64512,
      phase: unit === 'mid' ? 'connect' : 'established',
      phase_ms: 1,
      paths_received: 0,
      prefixes_announced: 0,
    },
  ],
  plan: { generation: 3, at: 0, steered: 1, blocks: 2 },
  cluster: {
    unit,
    leader: 'east',
    standing: 'led',
    is_connected: true,
    live: ['east', 'mid', 'west'],
    frozen: [],
    gone: [],
    plan: null,
    refused: [],
  },
  ...more,
});

t.test('at any unit the wires, routers and troubles of all, each with whose it is', async (t) => {
  const silent = { what: 'unit far is silent', since: 10 };
  const west = statusOf('west', { reasons: [silent] });
  const mid = statusOf('mid', {
    reasons: [
      { what: 'router br-mid: no BGP session', since: 30 },
      { ...silent, since: 5 },
      { what: 'nothing is moved: stale, 8 s', since: 5 },
    ],
  });
  const east = statusOf('east', {
    reasons: [silent, { what: 'nothing is moved: stale, 9 s', since: 4 }],
    proposal: { id: 'abc', moves: 2 },
  });
  const view = wholeStatus(west, [
    { unit: 'mid', view: mid },
    { unit: 'east', view: east },
  ]);
  t.same(view.reasons, [
    { what: 'nothing is moved: stale, 9 s', since: 4 },
    { what: 'unit far is silent', since: 5 },
    { what: 'mid: router br-mid: no BGP session', since: 30 },
  ]);
  t.equal(view.state, 'attention');
  t.same(
    view.wires.map(({ unit }) => unit),
    ['west', 'mid', 'east'],
  );
  t.same([view.cycles, view.proposal], [7, { id: 'abc', moves: 2 }], 'as the leader has it');
  t.equal(view.cluster?.unit, 'west', 'of the others this unit says what it knows');
  const text = renderStatus(view);
  t.match(text, /wires 3 of 3 forwarding, routers 2 of 3 with a session/);
  t.match(text, /unit west: led by east, 3 of 3 units heard/);
});

t.test('all is well only where all say so; who does not answer is named', async (t) => {
  const others = ['mid', 'east'].map((unit) => ({ unit, view: statusOf(unit) }));
  t.equal(wholeStatus(statusOf('west'), others).state, 'ok');
  const unheard = wholeStatus(statusOf('west'), [{ unit: 'mid', view: undefined }]);
  t.equal(unheard.state, 'attention');
  t.match(unheard.reasons[0]?.what, /unit mid does not answer/);
  const alone = statusOf('west');
  const { cluster: _, ...single } = alone;
  t.same(wholeStatus(single, []), single, 'a unit alone says what it says');
});

t.test('of a pair it is said who decides over outbound traffic', async (t) => {
  const paired = (by: string | null) => {
    const view = statusOf('west');
    return renderStatus({
      ...view,
      ...(view.cluster ? { cluster: { ...view.cluster, outbound_by: by } } : {}),
    });
  };
  t.match(paired('mid'), /led by east, outbound decided by mid, 3 of 3/);
  t.match(paired(null), /outbound as it is/);
});
