import { existsSync } from 'node:fs';

/** Why a lab test cannot run here, or false. */
export function labTestSkip(programs: readonly string[] = ['/usr/sbin/bird']): string | false {
  if (process.getuid?.() !== 0) return 'needs root: it makes network namespaces';
  const missing = programs.filter((path) => !existsSync(path));
  return missing.length > 0 ? `${missing.join(', ')} is not installed` : false;
}

/** Polls a condition until it holds; throws with `what` after the deadline. */
export async function waitFor(
  what: string,
  deadlineMs: number,
  holds: () => Promise<boolean> | boolean,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
