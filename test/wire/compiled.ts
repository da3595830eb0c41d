import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiles one C file of the source tree (`test/...`) into `folder`; the program's path. */
export function compiled(source: string, folder: string, ...libraries: readonly string[]): string {
  // From dist/test/wire to the source tree.
  const path = fileURLToPath(new URL(`../../../${source}`, import.meta.url));
  const program = join(folder, source.replaceAll(/[^a-z]/g, '-'));
  const { status, stderr } = spawnSync('gcc', ['-O2', path, '-o', program, ...libraries], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${source} does not compile: ${stderr}`);
  return program;
}
