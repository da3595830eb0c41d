import t from 'tap';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import { layout } from '../../../src/engine/layout.ts';
import { loadNative } from '../../../src/engine/native.ts';
import type { EngineTables, WireOptions } from '../../../src/engine/options.ts';
import { aimsOf, encodeTables } from '../../../src/engine/tables.ts';
import { Ways } from '../../../src/engine/ways.ts';

const wires: readonly Pick<WireOptions, 'name' | 'place'>[] = [
  { name: 'core', place: 'inside' },
  { name: 'edge', place: 'link' },
];
const tables: EngineTables = {
  blocks: [prefixText('198.51.100.0/24'), prefixText('2001:db8::/32')],
  links: [
    {
      link: linkId('south'),
      attribute: { wire: 'core', mac: '02:00:00:00:00:0a' },
      mark: { dscp: 10 },
    },
    { link: linkId('north'), attribute: { wire: 'edge' }, mark: { vlan: 101 } },
  ],
  destinations: [{ prefix: prefixText('203.0.113.0/24'), link: linkId('north') }],
};
const indices = {
  block: (block: string) => (block.includes(':') ? 7 : 3),
  destination: () => 5,
  link: (link: string) => (link === 'north' ? 0 : 1),
};

function waysOf(of: EngineTables): Ways {
  const ways = new Ways();
  ways.aim(aimsOf(of), 0n);
  return ways;
}

t.test('this program and the native module mean the same by their records', async (t) => {
  const native = loadNative<{ describe(): unknown }>();
  t.same(native.describe(), layout, 'run scripts/layout after a change below native/abi');
});

t.test('tables are laid out as native/abi/tables.h says', async (t) => {
  const bytes = Buffer.from(encodeTables(tables, wires, indices, waysOf(tables)));
  t.equal(
    bytes.toString('hex').replaceAll(/(.{48})/g, '$1\n'),
    // header: magic, version, counts; generation; may_mark per wire
    [
      '68677462060000000200000001000000020000000200000000000000000000000100000000000000' +
        '0000000000000000',
      // blocks: address, family, length, no link, reserved, index
      'c633640000000000000000000000000004187f0003000000',
      '20010db800000000000000000000000006207f0007000000',
      // the destination, with its link
      'cb0071000000000000000000000000000418000005000000',
      // rules: kind, link, wire, dscp, vlan, MAC
      '01010000000002000000000a',
      '000001000000000000000000',
      // marks: magic, version, generation; links, ways, key; none down, what else there is unmarked
      '6867746d06000000000000000000000002000000000000008701d6f7a20e679a000000007f000000',
      // in the order of links: north by VLAN, south by DSCP
      '6500ff00',
      'ffff0a00',
    ]
      .join('')
      .replaceAll(/(.{48})/g, '$1\n'),
  );
});

t.test('what cannot be laid out is refused by name', async (t) => {
  const refuse = (changed: Partial<EngineTables>, message: RegExp) =>
    t.throws(() => encodeTables({ ...tables, ...changed }, wires, indices, waysOf(tables)), {
      code: 'bad_tables',
      message,
    });
  refuse({ blocks: [prefixText('198.51.100.0/33')] }, /198\.51\.100\.0\/33 is not a prefix/);
  refuse({ links: [{ link: linkId('x'), attribute: { wire: 'nowhere' } }] }, /wire nowhere/);
  refuse(
    { links: [{ link: linkId('x'), attribute: { wire: 'core', mac: '02:00' } }] },
    /MAC address 02:00/,
  );
});
