import t from 'tap';
import { linkId, ms, prefixText } from '../../../src/core/base/units.ts';
import { defaultRails, initialState } from '../../../src/core/decide/index.ts';
import {
  cycleTimesOf,
  engineOptionsOf,
  peeringsOf,
  policyOf,
  routerIdOf,
  steeredLinksOf,
  tablesOf,
} from '../../../src/daemon/configure.ts';
import { recall } from '../../../src/daemon/recall.ts';
import { fixedChanges } from '../../../src/daemon/reload.ts';
import { withSecrets } from '../../../src/daemon/secrets.ts';
import { sessionsByRules, settingsOf, twoLinks } from '../../support/settings.ts';

const settings = settingsOf(twoLinks);

t.test('the rails are the defaults, scaled, but for what settings say', (t) => {
  const policy = policyOf(
    settingsOf(`${twoLinks}time_scale: 60\nrails: { dwell: 7s, headroom: 80% }\n`),
  );
  t.match(policy.rails, {
    dwellMs: 7000,
    settleMs: 5000,
    headroom: 0.8,
    movesPerHour: defaultRails(60).movesPerHour,
    hourMs: 60_000,
  });
  t.match(cycleTimesOf(settingsOf(`${twoLinks}time_scale: 60\n`)), {
    intervalMs: 500,
    averageMs: 2000,
  });
  t.match(cycleTimesOf(settings), { intervalMs: 30_000, averageMs: 120_000 });
  t.end();
});

t.test('links keep the numbers that the routers’ policies know, whichever are up', (t) => {
  const links = steeredLinksOf(settings, (link) => link !== 'north');
  t.match(links, [
    { id: 'north', number: 1, router: 'br1', isEligible: false },
    { id: 'south', number: 2, router: 'br1', isEligible: true },
  ]);
  t.end();
});

t.test('wires count the blocks by the links’ rules', (t) => {
  t.same(tablesOf(settings), {
    blocks: ['198.51.100.0/24', '198.51.101.0/24'],
    links: [
      { link: 'north', attribute: { wire: 'n' } },
      { link: 'south', attribute: { wire: 's' } },
    ],
  });
  t.end();
});

t.test('what decides the memory of the wires is one thing for a unit and for a check', (t) => {
  t.same(engineOptionsOf(settings), {
    tables: tablesOf(settings),
    followsSpin: false,
    findsHeaviest: false,
  });
  const quic = settingsOf(`${twoLinks}measure: { quic_spin: true }\n`);
  t.match(engineOptionsOf(quic), { followsSpin: true });
  t.match(engineOptionsOf(settingsOf(sessionsByRules)), { findsHeaviest: true });
  t.end();
});

t.test('only routers with bgp are peered with; keys may come from files', (t) => {
  const text = twoLinks.replace(
    'bgp: {} }]',
    'bgp: { md5_file: /k, hold_time: 30s, local_address: 10.0.0.7 } }, { name: br2, address: 10.0.0.2 }]',
  );
  t.same(peeringsOf(withSecrets(settingsOf(text), (file) => (file === '/k' ? 'secret' : ''))), [
    {
      name: 'br1',
      address: '10.0.0.1',
      asn: 64512,
      md5: 'secret',
      holdTimeS: 30,
      localAddress: '10.0.0.7',
    },
  ]);
  t.end();
});

t.test('the BGP identifier is set, or an IPv4 address of ours', (t) => {
  t.equal(
    routerIdOf(settings, () => []),
    '10.0.0.9',
  );
  const byPort = settingsOf(twoLinks.replace('router_id: 10.0.0.9', 'interface: mgmt'));
  t.equal(
    routerIdOf(byPort, (port) => (port === 'mgmt' ? ['fe80::1', '192.0.2.7'] : [])),
    '192.0.2.7',
  );
  t.equal(
    routerIdOf(byPort, () => []),
    undefined,
  );
  t.end();
});

t.test('what cannot change while running is named', (t) => {
  const other = (from: string, to: string) => settingsOf(twoLinks.replace(from, to));
  t.same(fixedChanges(settings, settings), []);
  t.same(fixedChanges(settings, other('mode: control', 'mode: observe')), []);
  t.same(fixedChanges(settings, other('asn: 64512', 'asn: 64513')), ['asn']);
  t.same(fixedChanges(settings, other('10.0.0.1', '10.0.0.2')), ['routers']);
  t.same(fixedChanges(settings, settingsOf(`${twoLinks}steering: { floor: { ipv4: 25 } }\n`)), [
    'steering.floor',
  ]);
  t.end();
});

t.test('a restart forgets links and blocks that are gone, and plans that are old', (t) => {
  const entry = (block: string, link: string) => ({
    block: prefixText(block),
    link: linkId(link),
    rung: 1,
    reason: '',
  });
  const plan = {
    generation: 3,
    at: ms(0),
    blocks: [
      entry('198.51.100.0/24', 'north'),
      entry('198.51.101.0/24', 'east'),
      entry('192.0.2.0/24', 'north'),
    ],
  };
  const memory = { at: 1000, state: { ...initialState(), plan }, inForce: plan, isWithdrawn: true };
  const fresh = recall(memory, settings, 2000, 5000);
  t.same(
    fresh.inForce?.blocks.map((kept) => kept.block),
    ['198.51.100.0/24'],
  );
  t.equal(fresh.isWithdrawn, true);
  const late = recall(memory, settings, 9000, 5000);
  t.equal(late.inForce, undefined);
  t.same(late.state.plan.blocks, []);
  t.equal(late.isWithdrawn, true, 'an operator’s word does not age');
  t.equal(
    recall(memory, settingsOf(twoLinks.replace('control', 'observe')), 2000, 5000).inForce,
    undefined,
  );
  t.end();
});
