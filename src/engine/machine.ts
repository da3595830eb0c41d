import { HeadgateError } from '../core/base/error.ts';

/** The same of what the native module does beside. */
export async function machineLater<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    return machine(() => {
      throw error;
    });
  }
}

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
