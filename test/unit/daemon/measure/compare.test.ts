import fc from 'fast-check';
import t from 'tap';
import { bitps } from '../../../../src/core/base/units.ts';
import { compare, type Statement } from '../../../../src/daemon/measure/compare.ts';

const says = (source: Statement['source'], rate: number, change: Partial<Statement> = {}) => ({
  source,
  rate: bitps(rate),
  errorRatio: 0,
  isWhole: true,
  ...change,
});

t.test('two sources disagree by what cannot be true of both', (t) => {
  const [found] = compare('inbound', [says('snmp', 40e6), says('ipfix', 30e6)]);
  t.match(found, {
    direction: 'inbound',
    rates: [
      { source: 'snmp', rate: 40e6 },
      { source: 'ipfix', rate: 30e6 },
    ],
    ratio: 0.25,
  });
  t.equal(compare('inbound', [says('snmp', 0), says('ipfix', 0)])[0]?.ratio, 0);
  t.equal(compare('inbound', [says('snmp', 40e6)]).length, 0, 'one source is no comparison');
  t.equal(compare('inbound', [says('wire', 1), says('snmp', 1), says('sflow', 1)]).length, 3);
  t.end();
});

t.test('the error that sampling leaves is no disagreement', (t) => {
  const sampled = says('sflow', 30e6, { errorRatio: 0.2 });
  t.equal(compare('inbound', [says('snmp', 36e6), sampled])[0]?.ratio, 0);
  t.equal(compare('inbound', [says('snmp', 40e6), sampled])[0]?.ratio, 0.1);
  t.end();
});

t.test('who sees a part of the link may say less, never more', (t) => {
  const wire = (rate: number) => says('wire', rate, { isWhole: false });
  t.equal(compare('inbound', [wire(10e6), says('snmp', 40e6)])[0]?.ratio, 0);
  t.equal(compare('inbound', [wire(40e6), says('snmp', 10e6)])[0]?.ratio, 0.75);
  t.end();
});

t.test('the order of two sources changes no ratio, which is from 0 to 1', (t) => {
  const statement = fc.record({
    source: fc.constantFrom('wire' as const, 'snmp' as const, 'ipfix' as const),
    rate: fc.double({ min: 0, max: 1e12, noNaN: true }).map(bitps),
    errorRatio: fc.double({ min: 0, max: 2, noNaN: true }),
    isWhole: fc.boolean(),
  });
  fc.assert(
    fc.property(statement, statement, (one, other) => {
      fc.pre(one.rate !== other.rate);
      const ratio = compare('inbound', [one, other])[0]?.ratio ?? -1;
      return ratio >= 0 && ratio <= 1 && ratio === compare('inbound', [other, one])[0]?.ratio;
    }),
  );
  t.end();
});
