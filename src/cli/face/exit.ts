/** DESIGN.md section 9: what a script may rely on. */
export const exitCodes = { done: 0, failed: 1, wrongUse: 2 } as const;

/** A command line that means nothing: exit code 2. The message says what would. */
export class UseError extends Error {
  override readonly name = 'UseError';
}
