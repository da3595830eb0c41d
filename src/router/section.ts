/** The marked section of a configuration file: the only lines that headgate ever writes in it. Pure. */
import { err, ok, type Result } from '../core/base/result.ts';

export const beginMark = '# headgate begin: written by headgate, do not edit up to the end mark';
export const endMark = '# headgate end';

export interface SectionError {
  readonly code: 'section_missing' | 'section_doubled' | 'section_open';
  /** Line from 1; 0 where there is none. */
  readonly line: number;
}

/** The lines between the marks. */
export function readSection(file: string): Result<string, SectionError> {
  const found = locate(file);
  if (!found.ok) return found;
  const { lines, begin, end } = found.value;
  return ok(joined(lines.slice(begin + 1, end)));
}

/** The file with other lines between the marks; every other byte stays. */
export function replaceSection(file: string, section: string): Result<string, SectionError> {
  const found = locate(file);
  if (!found.ok) return found;
  const { lines, begin, end } = found.value;
  const inner = section === '' ? [] : section.replace(/\n$/, '').split('\n');
  return ok([...lines.slice(0, begin + 1), ...inner, ...lines.slice(end)].join('\n'));
}

export interface SectionDiff {
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** Which lines go and which come; a line that stays is in neither. Counts repeated lines. */
export function diffSections(from: string, to: string): SectionDiff {
  const [before, after] = [linesOf(from), linesOf(to)];
  return { removed: without(before, after), added: without(after, before) };
}

function locate(
  file: string,
): Result<
  { readonly lines: readonly string[]; readonly begin: number; readonly end: number },
  SectionError
> {
  const lines = file.split('\n');
  const at = (mark: string) => lines.flatMap((line, i) => (line.trim() === mark ? [i] : []));
  const [begin, secondBegin] = at(beginMark);
  const [end, secondEnd] = at(endMark);
  if (begin === undefined) return err({ code: 'section_missing', line: (end ?? -1) + 1 });
  if (end === undefined || end < begin) return err({ code: 'section_open', line: begin + 1 });
  const second = secondBegin ?? secondEnd;
  if (second !== undefined) return err({ code: 'section_doubled', line: second + 1 });
  return ok({ lines, begin, end });
}

const joined = (lines: readonly string[]) => (lines.length === 0 ? '' : `${lines.join('\n')}\n`);

const linesOf = (text: string) => text.split('\n').filter((line) => line.trim() !== '');

function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    if (count > 0) left.set(line, count - 1);
    return count === 0;
  });
}
