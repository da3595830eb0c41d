/** Times as a person types them. */
import { UseError } from './exit.ts';

/** Milliseconds since the epoch of a time such as `2026-03-01T22:00:00Z`. Throws UseError. */
export function timeOf(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at))
    throw new UseError(`"${text}" is no time; expected one such as 2026-03-01T22:00:00Z`);
  return at;
}
