/** Prints the table of `differences.ts`, by rule first and then one by one. Run by scripts/differences. */
import { capturesFolder, noCaptures } from './captures.ts';
import { listDifferences, rules } from './differences.ts';

if (noCaptures) {
  process.stderr.write(`differences: ${noCaptures}\n`);
  process.exit(1);
}
const differences = await listDifferences();
const lines = [`captures  ${capturesFolder}`, ''];
for (const rule of [...Object.keys(rules), 'unexplained']) {
  const count = differences.filter((difference) => difference.rule === rule).length;
  const text = Object.entries(rules).find(([name]) => name === rule)?.[1] ?? 'no rule says why';
  lines.push(`${String(count).padStart(5)}  ${rule}: ${text}`);
}
lines.push('');
for (const { capture, frame, peer, ours, theirs, rule } of differences)
  lines.push(
    `${capture}${frame === undefined ? '' : ` frame ${frame}`}: ours ${ours}, ${peer} ${theirs}: ${rule}`,
  );
process.stdout.write(`${lines.join('\n')}\n`);
