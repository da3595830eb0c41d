import { HeadgateError } from '../core/base/error.ts';

/** Calls the native module; what the machine refused comes out as a HeadgateError. */
export function machine<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string')
      throw new HeadgateError(error.code, error.message, { cause: error });
    throw error;
  }
}
