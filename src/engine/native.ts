import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { HeadgateError } from '../core/base/error.ts';

/** From dist/src/engine to what `scripts/build` leaves. */
export const builtPath = (name: string): string =>
  fileURLToPath(new URL(`../../../build/Release/${name}`, import.meta.url));

const modulePath = builtPath('headgate.node');

let loaded: unknown;

/**
 * The native module, loaded once; the only place that loads it. `Exports` names the functions that the caller uses.
 * Throws HeadgateError `native_missing` where it was not built or is for another machine.
 */
export function loadNative<Exports>(): Exports {
  try {
    loaded ??= createRequire(import.meta.url)(modulePath);
  } catch (cause) {
    throw new HeadgateError(
      'native_missing',
      'the native module cannot be loaded: run scripts/build',
      { cause },
    );
  }
  // A cast, since a native module has no type of its own: describe() is compared with the layouts at start.
  return loaded as Exports;
}
