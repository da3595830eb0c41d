/** Real matrices through `headgate simulate --matrix`: what the ways of filling the links cost. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { playMatrices, renderMatrix } from '../../../src/cli/face/matrix.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-matrix-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** 80 intervals of two demands that come to 100, every twentieth to 150. */
const files = Array.from({ length: 80 }, (_, i) => {
  const file = join(folder, `${i}.csv`);
  const peak = i % 20 === 7 ? 90 : 40;
  writeFileSync(file, `,a,b\na,,60\nb,${peak},\n`);
  return file;
});

t.test('no way is below the optimum, and cheapest first hides one peak in twenty', async (t) => {
  const view = playMatrices(files, [1, 2], 2);
  t.match(view, { samples: 40, peak: 150 });
  const cost = new Map(view.ways.map((way) => [way.way, way.cost]));
  t.equal(cost.get('cheapest first'), 100, 'two of 40 samples are free');
  t.equal(cost.get('equal split'), 150);
  for (const { above } of view.ways) t.ok(above >= -1e-3, `${above}`);
  t.match(renderMatrix(view), /cheapest first +100\.00/);
});

t.test('what cannot be read is named with its line', async (t) => {
  const bad = join(folder, 'bad.csv');
  writeFileSync(bad, ',a\na,much\n');
  t.throws(() => playMatrices([bad, bad, bad, bad], [1, 2], 1), {
    message: /bad\.csv:2: bad volume/,
  });
  t.throws(() => playMatrices(files.slice(0, 2), [1, 2], 1), { message: /at least four/ });
  t.throws(() => playMatrices([join(folder, 'none.xml')], [1], 1), { message: /cannot read/ });
});
