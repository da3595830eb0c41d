/** The state machine: the stories of RFC 4271 section 8, and random orders of events. */
import fc from 'fast-check';
import t from 'tap';
import { asn } from '../../../../src/core/base/units.ts';
import { buildOpen, type SessionConfig } from '../../../../src/core/bgp/negotiate.ts';
import {
  initialState,
  nextDeadline,
  phaseOf,
  type SessionAction,
  type SessionEvent,
  type SessionState,
  step,
} from '../../../../src/core/bgp/session.ts';
import { decodeNotification } from '../../../../src/core/wire/bgp/notification.ts';
import type { Open } from '../../../../src/core/wire/bgp/open.ts';

const config: SessionConfig = {
  localAsn: asn(64512),
  peerAsn: asn(64512),
  routerId: '10.0.0.9',
  holdTimeS: 90,
  isPassive: false,
  families: [4, 6],
  addPath: true,
  gracefulRestartS: 120,
  staleMaxS: 300,
};
const peerConfig: SessionConfig = { ...config, routerId: '10.0.0.1', holdTimeS: 30 };
const peerOpen = buildOpen(peerConfig, false);

/** A session driven by hand: `now` moves only when told. */
class Driver {
  state: SessionState = initialState;
  now = 1_000;
  last: readonly SessionAction[] = [];
  readonly config: SessionConfig;

  constructor(change: Partial<SessionConfig> = {}) {
    this.config = { ...config, ...change };
  }

  do(event: SessionEvent): this {
    const result = step(this.state, event, {
      config: this.config,
      now: this.now,
      random: 0.5,
      isRestarting: false,
    });
    this.state = result.state;
    this.last = result.actions;
    return this;
  }

  establish(open: Open = peerOpen, id = 1): this {
    this.do({ kind: 'start' }).do({ kind: 'opened', id, isOutgoing: true });
    return this.do({ kind: 'open', id, open }).do({ kind: 'keepalive', id });
  }

  get phase() {
    return phaseOf(this.state);
  }

  did(kind: SessionAction['kind']) {
    return this.last.find((action) => action.kind === kind);
  }

  /** Code and subcode of the NOTIFICATION that the last step sent. */
  get notified(): string | undefined {
    for (const action of this.last) {
      if (action.kind !== 'send' || action.name !== 'notification') continue;
      const { code, subcode } = decodeNotification(action.bytes);
      return `${code}/${subcode}`;
    }
    return undefined;
  }
}

t.test('connect, OPEN, KEEPALIVE: established, with what both agreed on', async (t) => {
  const driver = new Driver();
  t.equal(driver.phase, 'idle');
  driver.do({ kind: 'start' });
  t.equal(driver.phase, 'connect');
  t.ok(driver.did('connect'));
  driver.do({ kind: 'opened', id: 1, isOutgoing: true });
  t.equal(driver.phase, 'open_sent');
  driver.do({ kind: 'open', id: 1, open: peerOpen });
  t.equal(driver.phase, 'open_confirm');
  driver.do({ kind: 'keepalive', id: 1 });
  t.equal(driver.phase, 'established');
  t.match(driver.did('established'), {
    agreed: {
      as4: true,
      holdTimeS: 30,
      families: [4, 6],
      addPathReceive: { 4: true, 6: true },
      gracefulRestart: { restartTimeS: 120 },
    },
  });
});

t.test(
  'keepalives leave at a third of the agreed hold time, and silence ends the session',
  async (t) => {
    const driver = new Driver().establish();
    const due = nextDeadline(driver.state);
    t.equal(due, driver.now + Math.round(10_000 * 0.875));
    driver.now = due ?? 0;
    driver.do({ kind: 'tick' });
    t.match(driver.did('send'), { name: 'keepalive' });
    t.equal(driver.phase, 'established');
    driver.now = 1_000 + 30_000;
    driver.do({ kind: 'tick' });
    t.equal(driver.notified, '4/0', 'Hold Timer Expired');
    t.match(driver.did('down'), { keepStale: true });
  },
);

t.test('hold time 0: no timers at all', async (t) => {
  const driver = new Driver().establish({ ...peerOpen, holdTimeS: 0 });
  t.equal(driver.phase, 'established');
  t.equal(nextDeadline(driver.state), undefined);
});

t.test('what is wrong in an OPEN is told with its code', async (t) => {
  const cases: ReadonlyArray<readonly [string, Open, Partial<SessionConfig>, string]> = [
    ['another AS', buildOpen({ ...peerConfig, localAsn: asn(65001) }, false), {}, '2/2'],
    ['no identifier', { ...peerOpen, routerId: '0.0.0.0' }, {}, '2/3'],
    ['our identifier (iBGP)', { ...peerOpen, routerId: '10.0.0.9' }, {}, '2/3'],
    ['hold time 2', { ...peerOpen, holdTimeS: 2 }, {}, '2/6'],
    [
      'roles that do not pair',
      buildOpen(
        { ...peerConfig, localAsn: asn(65001), peerAsn: asn(64512), role: 'customer' },
        false,
      ),
      { peerAsn: asn(65001), role: 'customer' },
      '2/11',
    ],
  ];
  for (const [what, open, change, wanted] of cases) {
    const driver = new Driver(change).do({ kind: 'start' });
    driver.do({ kind: 'opened', id: 1, isOutgoing: true }).do({ kind: 'open', id: 1, open });
    t.equal(driver.notified, wanted, what);
    t.equal(driver.phase, 'active', `${what}: waits before it connects again`);
  }
});

t.test(
  'a message out of order is a state machine error with the state in its subcode',
  async (t) => {
    const sent = new Driver().do({ kind: 'start' }).do({ kind: 'opened', id: 1, isOutgoing: true });
    t.equal(sent.do({ kind: 'update', id: 1 }).notified, '5/1');
    const confirm = new Driver()
      .do({ kind: 'start' })
      .do({ kind: 'opened', id: 1, isOutgoing: true });
    confirm.do({ kind: 'open', id: 1, open: peerOpen });
    t.equal(confirm.do({ kind: 'update', id: 1 }).notified, '5/2');
    t.equal(new Driver().establish().do({ kind: 'open', id: 1, open: peerOpen }).notified, '5/3');
  },
);

t.test(
  'collision: the connection of the higher identifier stays (RFC 4271 section 6.8)',
  async (t) => {
    for (const [ours, keptIsOutgoing] of [
      ['10.0.0.9', true],
      ['9.0.0.1', false],
    ] as const) {
      for (const firstIsOutgoing of [true, false]) {
        const driver = new Driver({ routerId: ours }).do({ kind: 'start' });
        driver.do({ kind: 'opened', id: 1, isOutgoing: firstIsOutgoing });
        driver.do({ kind: 'opened', id: 2, isOutgoing: !firstIsOutgoing });
        driver
          .do({ kind: 'open', id: 1, open: peerOpen })
          .do({ kind: 'open', id: 2, open: peerOpen });
        t.equal(driver.notified, '6/7', 'the loser hears Connection Collision Resolution');
        t.equal(driver.state.connections.length, 1);
        t.equal(driver.state.connections[0]?.isOutgoing, keptIsOutgoing, `our identifier ${ours}`);
      }
    }
  },
);

t.test(
  'a restarted router (RFC 4724) replaces its old connection, and its routes are kept',
  async (t) => {
    const driver = new Driver().establish();
    driver.now += 60_000;
    driver.do({ kind: 'update', id: 1 });
    driver.do({ kind: 'opened', id: 2, isOutgoing: false });
    driver.do({ kind: 'open', id: 2, open: buildOpen(peerConfig, true) });
    t.match(driver.did('down'), { keepStale: true });
    driver.do({ kind: 'keepalive', id: 2 });
    t.equal(driver.phase, 'established');
    t.match(driver.did('established'), { agreed: { gracefulRestart: { isPeerRestarting: true } } });
  },
);

t.test('stale routes go when the router does not come back in time', async (t) => {
  const driver = new Driver().establish();
  driver.do({ kind: 'closed', id: 1, reason: 'reset by peer' });
  t.match(driver.did('down'), { keepStale: true });
  driver.now += 119_999;
  driver.do({ kind: 'tick' });
  t.notOk(driver.did('drop_stale'));
  driver.now += 1;
  driver.do({ kind: 'tick' });
  t.ok(driver.did('drop_stale'));
});

t.test("an administrator's word ends it for good; a NOTIFICATION keeps nothing", async (t) => {
  const stopped = new Driver().establish();
  stopped.do({ kind: 'stop', subcode: 2, reason: 'bye', restart: false });
  t.equal(stopped.notified, '6/2');
  t.equal(stopped.phase, 'idle');
  t.equal(nextDeadline(stopped.state), undefined, 'no timer is left behind');
  const told = new Driver().establish();
  const notification = { code: 6, subcode: 2, data: new Uint8Array(0) };
  told.do({ kind: 'notification', id: 1, notification });
  t.match(told.did('down'), { keepStale: false });
});

t.test(
  'the wait before connecting again grows to a minute, and starts anew after a session',
  async (t) => {
    const driver = new Driver().do({ kind: 'start' });
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      driver.do({ kind: 'connect_failed', reason: 'refused' });
      const due = nextDeadline(driver.state) ?? 0;
      waits.push(due - driver.now);
      driver.now = due;
      driver.do({ kind: 'tick' });
    }
    t.same(waits, [1750, 3500, 7000, 14000, 28000, 52500, 52500, 52500]);
    driver
      .do({ kind: 'opened', id: 1, isOutgoing: true })
      .do({ kind: 'open', id: 1, open: peerOpen });
    driver.do({ kind: 'keepalive', id: 1 }).do({ kind: 'closed', id: 1, reason: '' });
    t.equal((nextDeadline(driver.state) ?? 0) - driver.now, 1750);
  },
);

const anyEvent: fc.Arbitrary<SessionEvent> = fc.oneof(
  fc.constant<SessionEvent>({ kind: 'start' }),
  fc.boolean().map((restart): SessionEvent => ({ kind: 'stop', subcode: 2, reason: 'x', restart })),
  fc.record({ kind: fc.constant('opened' as const), id: fc.nat(5), isOutgoing: fc.boolean() }),
  fc.record({ kind: fc.constant('closed' as const), id: fc.nat(5), reason: fc.constant('') }),
  fc.constant<SessionEvent>({ kind: 'connect_failed', reason: '' }),
  fc.record({
    kind: fc.constant('open' as const),
    id: fc.nat(5),
    open: fc.constantFrom(
      peerOpen,
      { ...peerOpen, holdTimeS: 0 },
      { ...peerOpen, routerId: '0.0.0.0' },
    ),
  }),
  fc.record({
    kind: fc.constantFrom('keepalive' as const, 'update' as const, 'route_refresh' as const),
    id: fc.nat(5),
  }),
  fc.nat(5).map(
    (id): SessionEvent => ({
      kind: 'notification',
      id,
      notification: { code: 6, subcode: 4, data: new Uint8Array(0) },
    }),
  ),
  fc.nat(5).map(
    (id): SessionEvent => ({
      kind: 'broken',
      id,
      error: {
        code: 'length',
        offset: 16,
        reaction: 'reset_session',
        notification: { code: 1, subcode: 2 },
      },
    }),
  ),
  fc.constant<SessionEvent>({ kind: 'stale_swept' }),
  fc.constant<SessionEvent>({ kind: 'tick' }),
);

t.test('random orders of events: no illegal state, no timer left behind', async () => {
  const runs = process.env.HEADGATE_LONG === '1' ? 50_000 : 3_000;
  fc.assert(
    fc.property(fc.array(fc.tuple(anyEvent, fc.nat(200_000)), { maxLength: 60 }), (events) => {
      const driver = new Driver();
      /** Identifiers that the machine was handed and has not closed: only these may be used. */
      const open = new Set<number>();
      for (const [event, later] of events) {
        driver.now += later;
        // The outside never reuses a live connection's number.
        if (event.kind === 'opened' && open.has(event.id)) continue;
        if (event.kind === 'opened') open.add(event.id);
        const before = driver.phase;
        driver.do(event);
        checkActions(driver.last, open);
        if (event.kind === 'closed') open.delete(event.id);
        checkState(driver, before);
      }
      driver.do({ kind: 'stop', subcode: 2, reason: '', restart: false });
      if (nextDeadline(driver.state) !== undefined) throw new Error('a timer was left behind');
      if (driver.state.connections.length > 0) throw new Error('a connection was left behind');
    }),
    { numRuns: runs },
  );
});

function checkActions(actions: readonly SessionAction[], open: Set<number>): void {
  const closed = new Set<number>();
  for (const action of actions) {
    if (action.kind !== 'send' && action.kind !== 'close' && action.kind !== 'established')
      continue;
    if (!open.has(action.id))
      throw new Error(`${action.kind} on connection ${action.id}, which is not open`);
    if (closed.has(action.id)) throw new Error(`${action.kind} after close`);
    if (action.kind === 'close') closed.add(action.id);
  }
  for (const id of closed) open.delete(id);
}

function checkState(driver: Driver, before: string): void {
  const { state, phase, last } = driver;
  const established = state.connections.filter((connection) => connection.phase === 'established');
  if (established.length > 1) throw new Error('two established connections');
  if (state.connections.length > 2) throw new Error('more than two connections');
  for (const direction of [true, false]) {
    const same = state.connections.filter(
      (c) => c.isOutgoing === direction && c.phase !== 'established',
    );
    if (same.length > 1) throw new Error('two connections of one direction');
  }
  const wentUp = last.some(({ kind }) => kind === 'established');
  if (wentUp && before !== 'open_confirm' && before !== 'established')
    throw new Error(`established from ${before}`);
  const wentDown = last.some(({ kind }) => kind === 'down');
  if (before === 'established' && phase !== 'established' && !wentDown)
    throw new Error('the session is gone and nobody was told');
  if (!state.isStarted && state.connections.length > 0) throw new Error('connected while stopped');
  const isWaiting = phase === 'active' && state.isStarted;
  if (isWaiting && state.connectAt === undefined) throw new Error('nothing will ever happen again');
}
