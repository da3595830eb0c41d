import t from 'tap';
import { unfitness } from '../../../src/engine/advice.ts';
import { chooseDriver } from '../../../src/engine/choice.ts';
import type { PortFacts } from '../../../src/engine/ports.ts';

const card: PortFacts = { mtu: 1500, isUp: true, hasCarrier: true, driver: 'ixgbe' };
const peer = {
  space: 'host',
  name: 'i0',
  finishesChecksums: true,
  tagsInFrame: true,
  takesFrames: true,
};
const virtual: PortFacts = { ...card, driver: 'veth', peer };

t.test('auto takes XDP where both cards have it, else tc', (t) => {
  t.equal(chooseDriver([card, { ...card, driver: 'ice' }]).driver, 'xdp');
  t.equal(chooseDriver([card, virtual]).driver, 'tc');
  t.equal(chooseDriver([virtual, virtual]).driver, 'tc');
  t.equal(chooseDriver([]).driver, 'tc');
  t.end();
});

t.test('an unfit far end is named with what to set', (t) => {
  t.same(unfitness('xdp', 'eth1', card), []);
  t.same(unfitness('xdp', 'in0', virtual), []);
  const unfit = { ...virtual, peer: { ...peer, finishesChecksums: false, takesFrames: false } };
  t.match(unfitness('xdp', 'in0', unfit), [
    /^i0, the other end of in0, is unfit .*: ip netns exec host ethtool -K i0 tx off gro on; or set driver: tc$/,
  ]);
  t.same(unfitness('tc', 'in0', unfit), [], 'tc carries all of it');
  t.match(unfitness('xdp', 'in0', { ...card, driver: 'veth' }), [/cannot be seen/]);
  t.match(unfitness('tc', 'eth1', { ...card, isUp: false }), [/is down: ip link set eth1 up/]);
  t.end();
});
