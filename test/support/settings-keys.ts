/** Every key that settings may have, as `links[].price.per_mbps`: read from the schema, or from a value. */
import type { z } from 'zod';

type Schema = z.core.$ZodType;

/** Zod's own description of a schema, as far as it is followed here. */
interface Def {
  readonly type: string;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly element?: Schema;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly options?: readonly Schema[];
}

export function keysOfSchema(schema: Schema, path = ''): ReadonlySet<string> {
  // A cast: zod types each kind of schema apart, and all have these.
  const def = schema._zod.def as unknown as Def;
  const inner = [def.element, def.innerType, def.in, ...(def.options ?? [])];
  const below = def.type === 'array' ? `${path}[]` : path;
  const keys = new Set(inner.flatMap((next) => (next ? [...keysOfSchema(next, below)] : [])));
  for (const [key, value] of Object.entries(def.shape ?? {})) {
    const own = path === '' ? key : `${path}.${key}`;
    keys.add(own);
    for (const each of keysOfSchema(value, own)) keys.add(each);
  }
  return keys;
}

export function keysOfValue(value: unknown, path = ''): ReadonlySet<string> {
  if (Array.isArray(value)) {
    return new Set(value.flatMap((entry) => [...keysOfValue(entry, `${path}[]`)]));
  }
  if (typeof value !== 'object' || value === null) return new Set();
  return new Set(
    Object.entries(value).flatMap(([key, entry]) => {
      const own = path === '' ? key : `${path}.${key}`;
      return [own, ...keysOfValue(entry, own)];
    }),
  );
}
