import t from 'tap';
import { covers, parsePrefix } from '../../../src/core/base/prefix.ts';
import { formatSettingsError, loadSettings } from '../../../src/core/settings/index.ts';
import { fingerprintOf } from '../../../src/daemon/units/cluster-settings.ts';
import {
  type DemandShape,
  demandOf,
  stubbornShares,
  totalDemandBitps,
} from '../../../src/lab/index.ts';
import { renderSettings } from '../../../src/lab/settings.ts';
import { defaultShape, type LabShape, unitsShape } from '../../../src/lab/shape.ts';
import { layOut } from '../../../src/lab/topology.ts';
import { renderUnitSettings } from '../../../src/lab/units-settings.ts';
import { layOutUnits } from '../../../src/lab/units-topology.ts';

const shapes = (['link', 'inside'] as const).flatMap((place) =>
  ([1, 2] as const).map(
    (routers): LabShape => ({
      place,
      routers,
      kind: 'bird',
      capacitiesBitps: [40_000_000, 60_000_000],
    }),
  ),
);

t.test('every cable ends at ports of nodes that exist, each port once', async (t) => {
  for (const topology of [...shapes.map(layOut), layOutUnits(unitsShape)]) {
    const { nodes, cables, bridges, wires } = topology;
    const ends = cables.flatMap((cable) => cable.ends);
    const ports = ends.map((end) => `${end.node}:${end.name}`);
    t.equal(new Set(ports).size, ports.length, 'no port has two cables');
    t.ok(ends.every((end) => nodes.includes(end.node)));
    t.ok(bridges.every((b) => b.ports.every((port) => ports.includes(`${b.node}:${port}`))));
    t.ok(wires.every((w) => [w.inside, w.outside].every((p) => ports.includes(`${w.unit}:${p}`))));
    t.ok(
      ends.every((end) => end.name.length <= 15),
      'Linux takes the names',
    );
    const addresses = ends.flatMap((end) => end.addresses);
    t.equal(new Set(addresses).size, addresses.length, 'no address twice');
  }
});

t.test('every block is ours and disjoint from the others', async (t) => {
  const { blocks, networks } = layOut(defaultShape('link'));
  const parsed = (text: string) => {
    const prefix = parsePrefix(text);
    if (!prefix.ok) throw new Error(text);
    return prefix.value;
  };
  for (const block of blocks) {
    t.ok(
      networks.some((network) => covers(parsed(network), parsed(block.prefix))),
      block.prefix,
    );
    t.ok(covers(parsed(block.prefix), parsed(block.host)), `${block.host} is in its block`);
    const others = blocks.filter((other) => other !== block);
    t.notOk(others.some((other) => covers(parsed(block.prefix), parsed(other.prefix))));
  }
});

t.test('the unit takes the settings of every shape and mode', async (t) => {
  for (const shape of shapes.filter((s) => s.place === 'link' || s.routers === 2)) {
    for (const mode of ['observe', 'advise', 'control'] as const) {
      const loaded = loadSettings(renderSettings(layOut(shape), '/run/x', mode), 'headgate.yaml');
      t.ok(loaded.ok, loaded.ok ? mode : loaded.error.map(formatSettingsError).join('\n'));
    }
  }
});

t.test(
  'several units take their settings; all have the same but for what is of one machine',
  async (t) => {
    const topology = layOutUnits(unitsShape);
    const shared = topology.sites.map((site) => {
      const files = { folder: '/run/x', ca: '/run/x/ca.pem', nkey: `/run/x/${site.unit}.nk` };
      const loaded = loadSettings(
        renderUnitSettings(topology, site, files, 'control'),
        'headgate.yaml',
      );
      if (!loaded.ok) throw new Error(loaded.error.map(formatSettingsError).join('\n'));
      return fingerprintOf(loaded.value);
    });
    t.equal(shared.length, 3);
    t.equal(new Set(shared).size, 1, 'they may decide for each other');
  },
);

t.test('the demand is too much for north, not for both, whatever its shape', async (t) => {
  const topology = layOut(defaultShape('link'));
  const [first = '', second = ''] = topology.blocks.map((block) => block.prefix);
  const shapes: DemandShape[] = [
    {},
    { favoured: { blocks: [first, second], share: 0.75 } },
    { favoured: { blocks: [], share: 0.75 } },
    { sources: stubbornShares },
  ];
  for (const shape of shapes) {
    const demand = demandOf(topology, shape);
    const total = Object.values(demand)
      .flat()
      .reduce((a, b) => a + b, 0);
    t.ok(Math.abs(total - totalDemandBitps) < 100, JSON.stringify(shape));
  }
  const favoured = demandOf(topology, { favoured: { blocks: [first, second], share: 0.75 } });
  const wanted = [first, second].flatMap((block) => favoured[block] ?? []);
  t.ok(Math.abs(wanted.reduce((a, b) => a + b, 0) - 0.75 * totalDemandBitps) < 100);
  const atLayer2 = totalDemandBitps * (1514 / 1448);
  t.ok(atLayer2 > 1.4 * 40e6 && atLayer2 < 0.9 * 100e6);
});
