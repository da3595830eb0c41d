import { z } from 'zod';

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S;
type CamelKeys<T> = { readonly [K in keyof T as K extends string ? Camel<K> : K]: T[K] };

/**
 * A mapping of settings: unknown keys are errors that name the nearest known one, and `snake_case` keys
 * come out as the `camelCase` of the code. Nested sections convert their own keys.
 */
export function section<S extends z.core.$ZodShape>(shape: S) {
  const known = Object.keys(shape);
  return z
    .strictObject(shape, {
      error: (issue) => {
        if (issue.code === 'unrecognized_keys') {
          const key = issue.keys[0] ?? '';
          const near = nearest(key, known);
          return near
            ? `unknown key "${key}"; did you mean "${near}"?`
            : `unknown key "${key}"; known are ${known.join(', ')}`;
        }
        return `expected a mapping with the keys ${known.join(', ')}`;
      },
    })
    .transform((value) => camelKeys(value));
}

/** A list of at most `max` entries. */
export function list<S extends z.core.SomeType>(element: S, what: string, max = 100_000) {
  const error = `expected a list of ${what}`;
  return z
    .array(element, { error })
    .max(max, { error: `expected at most ${max} ${what}` })
    .readonly();
}

function camelKeys<T extends object>(value: T): CamelKeys<T> {
  const entries = Object.entries(value).map(([key, content]) => [
    key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
    content,
  ]);
  // A cast, since Object.fromEntries forgets the keys; the type above says the same as the line above.
  return Object.fromEntries(entries) as CamelKeys<T>;
}

/** The known word within two edits of `word`, if there is one. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, edits: editDistance(word, candidate) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best && best.edits <= Math.min(2, word.length - 1) ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
