import fc from 'fast-check';
import t from 'tap';
import {
  beginMark,
  diffSections,
  endMark,
  readSection,
  replaceSection,
} from '../../../src/router/section.ts';

const line = fc
  .string({ maxLength: 12 })
  .filter((text) => !text.includes('\n') && ![beginMark, endMark].includes(text.trim()));
const lines = fc.array(line, { maxLength: 8 });

const fileOf = (before: readonly string[], inner: readonly string[], after: readonly string[]) =>
  [...before, beginMark, ...inner, endMark, ...after].join('\n');

t.test('what is written between the marks is read back, and nothing else changes', async (t) => {
  fc.assert(
    fc.property(lines, lines, lines, lines, (before, inner, after, wanted) => {
      const section = wanted.map((text) => `${text}\n`).join('');
      const replaced = replaceSection(fileOf(before, inner, after), section);
      if (!replaced.ok) return false;
      const read = readSection(replaced.value);
      return replaced.value === fileOf(before, wanted, after) && read.ok && read.value === section;
    }),
    { verbose: 1 },
  );
  t.pass('whatever the operator wrote around it');
});

t.test('a file without exactly one pair of marks is refused, with the line', async (t) => {
  const refusals: ReadonlyArray<readonly [string, string, number]> = [
    ['a\nb', 'section_missing', 0],
    [`a\n${endMark}`, 'section_missing', 2],
    [`a\n${beginMark}\nb`, 'section_open', 2],
    [`${endMark}\n${beginMark}`, 'section_open', 2],
    [`${beginMark}\n${endMark}\n${beginMark}\n${endMark}`, 'section_doubled', 3],
    [`${beginMark}\n${endMark}\n${endMark}`, 'section_doubled', 3],
  ];
  for (const [file, code, line] of refusals) {
    t.same(readSection(file), { ok: false, error: { code, line } }, JSON.stringify(file));
    t.same(replaceSection(file, 'x\n'), { ok: false, error: { code, line } });
  }
});

t.test('a diff counts lines: applied to one side it gives the other', async (t) => {
  fc.assert(
    fc.property(lines, lines, (from, to) => {
      const shown = (list: readonly string[]) => list.filter((text) => text.trim() !== '').sort();
      const { removed, added } = diffSections(from.join('\n'), to.join('\n'));
      const left = [...from];
      for (const text of removed) left.splice(left.indexOf(text), 1);
      return shown([...left, ...added]).join('\n') === shown(to).join('\n');
    }),
    { verbose: 1 },
  );
  t.same(diffSections('a\nb\nb\n', 'b\nc\n'), { removed: ['a', 'b'], added: ['c'] });
});
