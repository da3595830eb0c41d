/** Each difference from tshark, tcptrace and pping on the captures has a rule that explains it. */
import t from 'tap';
import { noCaptures } from './captures.ts';
import { listDifferences } from './differences.ts';

t.test('every difference is explained', { skip: noCaptures }, async (t) => {
  const differences = await listDifferences();
  t.ok(differences.length > 0, `${differences.length} differences`);
  t.same(
    differences.filter(({ rule }) => rule === 'unexplained'),
    [],
  );
});
