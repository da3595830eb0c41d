import type { Sliced } from './slices.ts';

/** Entries of a long list or record that become text at once. */
const stride = 64;

/**
 * The text of `JSON.stringify(value)`, piece by piece to `put`: for values of a few long lists or records, whose text
 * as a whole would take tens of milliseconds. Values are plain: no `toJSON`, nothing circular.
 */
export function* jsonSliced(value: unknown, put: (text: string) => void): Sliced<void> {
  if (Array.isArray(value)) {
    if (value.length > stride) yield* listSliced(value, put);
    else put(JSON.stringify(value));
  } else if (typeof value === 'object' && value !== null) {
    yield* recordSliced(value, put);
  } else {
    put(JSON.stringify(value) ?? 'null');
  }
}

function* listSliced(list: readonly unknown[], put: (text: string) => void): Sliced<void> {
  for (let i = 0; i < list.length; i += stride) {
    put(i === 0 ? '[' : ',');
    put(JSON.stringify(list.slice(i, i + stride)).slice(1, -1));
    yield;
  }
  put(']');
}

function* recordSliced(record: object, put: (text: string) => void): Sliced<void> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  const isLong = entries.length > stride;
  put('{');
  for (let i = 0; i < entries.length; i += isLong ? stride : 1) {
    if (i > 0) put(',');
    const [key, value] = entries[i] ?? ['', undefined];
    if (isLong) {
      put(JSON.stringify(Object.fromEntries(entries.slice(i, i + stride))).slice(1, -1));
      yield;
    } else {
      put(`${JSON.stringify(key)}:`);
      yield* jsonSliced(value, put);
    }
  }
  put('}');
}
