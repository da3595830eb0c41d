import { isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import type { Result } from '../base/result.ts';
import { err, ok } from '../base/result.ts';
import { type BlockSettings, divideNetworks } from './blocks.ts';
import type { Complaint } from './complaint.ts';
import { crossCheck } from './cross-check.ts';
import { type ParsedSettings, settingsSchema } from './schema.ts';

/** Settings as the unit uses them: plain JSON, every name resolved, blocks spelled out. */
export type Settings = Omit<ParsedSettings, 'blocks'> & {
  /** The units that are counted and announced, disjoint, in address order. */
  readonly blocks: readonly BlockSettings[];
};

/** One mistake, with the place where a person finds it. Lines and columns from 1. */
export interface SettingsError {
  readonly code: 'syntax' | 'schema' | 'contradiction';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `links[0].capacity`; empty for the file as a whole. */
  readonly path: string;
  /** What was expected. */
  readonly message: string;
}

type Path = readonly PropertyKey[];

/** Reads the text of a settings file. All mistakes are reported at once, in the order of the file. */
export function loadSettings(
  text: string,
  file: string,
): Result<Settings, readonly SettingsError[]> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const errorAt = (code: SettingsError['code'], path: Path, offset: number, message: string) => {
    const { line, col } = lines.linePos(offset);
    return { code, file, line, column: col, path: formatPath(path), message };
  };

  if (document.errors.length > 0) {
    return err(document.errors.map((e) => errorAt('syntax', [], e.pos[0], e.message)));
  }
  /** Start of the value at `path`, or of the closest thing around it that exists. */
  const offsetOf = (path: Path): number => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return node.range[0];
    }
    return 0;
  };
  const keyOffset = (path: Path, key: string): number => {
    const around = path.length === 0 ? document.contents : document.getIn(path, true);
    const start = isNode(around) && around.range ? around.range[0] : 0;
    const end = isNode(around) && around.range ? around.range[1] : text.length;
    const found = new RegExp(`(^|[\\s{,])["']?${escapeForRegExp(key)}["']?\\s*:`, 'm').exec(
      text.slice(start, end),
    );
    return found ? start + found.index + (found[1]?.length ?? 0) : start;
  };

  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    // The one thing that the parser leaves to this step: aliases without an anchor, or far too many of them.
    const message = error instanceof Error ? error.message : String(error);
    return err([errorAt('syntax', [], 0, message)]);
  }
  const parsed = settingsSchema.safeParse(value);
  if (!parsed.success) {
    const errors = parsed.error.issues
      .flatMap(leaves)
      .map(({ path, message, key }) =>
        errorAt('schema', path, key === undefined ? offsetOf(path) : keyOffset(path, key), message),
      );
    return err(inOrder(errors));
  }
  const divided = divideNetworks(parsed.data);
  const complaints: readonly Complaint[] = [
    ...(divided.ok ? [] : divided.error),
    ...crossCheck(parsed.data, divided.ok ? divided.value : []),
  ];
  if (!divided.ok || complaints.length > 0) {
    return err(
      inOrder(complaints.map((c) => errorAt('contradiction', c.path, offsetOf(c.path), c.message))),
    );
  }
  return ok({ ...parsed.data, blocks: divided.value });
}

/** `headgate.yaml:12:5: links[0].capacity: expected a rate …` */
export function formatSettingsError(error: SettingsError): string {
  const where = `${error.file}:${error.line}:${error.column}`;
  return error.path === ''
    ? `${where}: ${error.message}`
    : `${where}: ${error.path}: ${error.message}`;
}

interface Leaf {
  readonly path: Path;
  readonly message: string;
  /** The unknown key, where that is the mistake. */
  readonly key?: string;
}

/** Zod's issue as plain mistakes. Of a union's branches the one that got furthest is what the person meant. */
function leaves(issue: z.core.$ZodIssue): readonly Leaf[] {
  if (issue.code === 'invalid_union') {
    const branches = issue.errors.map((branch) =>
      branch.map((inner): z.core.$ZodIssue => ({ ...inner, path: [...issue.path, ...inner.path] })),
    );
    const depth = (branch: readonly z.core.$ZodIssue[]) =>
      Math.max(...branch.map((b) => b.path.length + (b.code === 'unrecognized_keys' ? 0.5 : 0)));
    const best = branches.sort((a, b) => depth(b) - depth(a))[0];
    if (best && depth(best) > issue.path.length) return best.flatMap(leaves);
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: issue.path, message: issue.message, key }));
  }
  return [{ path: issue.path, message: issue.message }];
}

function inOrder(errors: readonly SettingsError[]): readonly SettingsError[] {
  return [...errors].sort((a, b) => a.line - b.line || a.column - b.column);
}

function formatPath(path: Path): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number'
        ? `${text}[${part}]`
        : text === ''
          ? String(part)
          : `${text}.${String(part)}`,
    '',
  );
}

const escapeForRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
