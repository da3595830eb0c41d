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
const alike = new Map<string, number[]>();
for (const { capture, frame, peer, ours, theirs, rule } of differences) {
  const key = `${capture}: ours ${ours}, ${peer} ${theirs}: ${rule}`;
  const frames = alike.get(key) ?? [];
  alike.set(key, frame === undefined ? frames : [...frames, frame]);
}
for (const [difference, frames] of alike)
  lines.push(difference, ...(frames.length === 0 ? [] : [`       frames ${rangesOf(frames)}`]));
process.stdout.write(`${lines.join('\n')}\n`);

/** Ascending numbers, those that follow each other as a range. */
function rangesOf(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(' ');
}
