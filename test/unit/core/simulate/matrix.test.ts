import fc from 'fast-check';
import t from 'tap';
import { demandSeries, parseMatrixCsv, parseSndlib } from '../../../../src/core/simulate/matrix.ts';

const xml = `<?xml version="1.0"?>
<network><networkStructure/>
 <!-- <demand id="none"><source>a</source>
 </demand> -->
 <demands>
  <demand id="a_b">
   <source>north</source> <target>south</target>
   <demandValue unit="MBITPERSEC"> 12.5 </demandValue>
  </demand>
  <demand id="b_a"><source>south</source><target>north</target><demandValue>3e1</demandValue></demand>
 </demands></network>`;
const demands = [
  { source: 'north', target: 'south', volume: 12.5 },
  { source: 'south', target: 'north', volume: 30 },
];

t.test('SNDlib: every demand, comments passed over', async (t) => {
  t.same(parseSndlib(xml), { ok: true, value: demands });
});

t.test('SNDlib: what is missing or not a volume is named by line', async (t) => {
  const errorOf = (text: string) => {
    const parsed = parseSndlib(text);
    return parsed.ok ? undefined : parsed.error;
  };
  t.same(errorOf(xml.replace('12.5', 'many')), { code: 'bad_volume', line: 6 });
  t.same(errorOf(xml.replace('3e1', '-1')), { code: 'bad_volume', line: 10 });
  t.same(errorOf(xml.replace('<target>north</target>', '')), { code: 'missing_part', line: 10 });
  t.same(errorOf(xml.slice(0, xml.lastIndexOf('</demand>'))), { code: 'missing_part', line: 10 });
  t.equal(errorOf('<demands></demands>')?.code, 'no_demands');
});

t.test('SNDlib: no text makes it throw', async (t) => {
  fc.assert(
    fc.property(fc.nat(xml.length), fc.nat(xml.length), (from, to) => {
      const parsed = parseSndlib(xml.slice(0, from) + xml.slice(to));
      return parsed.ok || parsed.error.line >= 1;
    }),
  );
  t.pass();
});

t.test('CSV: a row per source, a column per target', async (t) => {
  const csv = '# Mbit/s\nfrom,north,"south"\r\nnorth,,12.5\n\nsouth,30,\n';
  t.same(parseMatrixCsv(csv), { ok: true, value: demands });
});

t.test('CSV: errors with their line', async (t) => {
  const errorOf = (text: string) => {
    const parsed = parseMatrixCsv(text);
    return parsed.ok ? undefined : parsed.error;
  };
  t.same(errorOf(',a,b\na,1\n'), { code: 'ragged_row', line: 2 });
  t.same(errorOf(',a,b\na,1,x\n'), { code: 'bad_volume', line: 2 });
  t.same(errorOf(',a,a\na,1,2\n'), { code: 'repeated_name', line: 1 });
  t.same(errorOf(',a,b\na,1,2\na,3,4\n'), { code: 'repeated_name', line: 3 });
  t.same(errorOf(',a,b\n,1,2\n'), { code: 'missing_part', line: 2 });
  t.equal(errorOf('')?.code, 'no_demands');
});

t.test('a series for the network or for one node', async (t) => {
  const twice = demands.map((demand) => ({ ...demand, volume: 2 * demand.volume }));
  t.same([...demandSeries([demands, twice])], [42.5, 85]);
  t.same([...demandSeries([demands, twice], { name: 'north', direction: 'source' })], [12.5, 25]);
  t.same([...demandSeries([demands], { name: 'north', direction: 'target' })], [30]);
});
