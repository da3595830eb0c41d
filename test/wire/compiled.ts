import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiles one C file of the source tree (`test/...`) into `folder`; the program's path. */
export function compiled(source: string, folder: string, ...libraries: readonly string[]): string {
  return compile('gcc', source, folder, libraries);
}

/** The same for a program that the kernel runs. */
export function compiledForKernel(source: string, folder: string): string {
  const machine = execFileSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const target = ['-g', '-target', 'bpf', '-mcpu=v3', `-I/usr/include/${machine}`, '-c'];
  return compile('clang', source, folder, target);
}

function compile(
  compiler: string,
  source: string,
  folder: string,
  options: readonly string[],
): string {
  // From dist/test/wire to the source tree.
  const path = fileURLToPath(new URL(`../../../${source}`, import.meta.url));
  const program = join(folder, source.replaceAll(/[^a-z]/g, '-'));
  const { status, stderr } = spawnSync(compiler, ['-O2', path, '-o', program, ...options], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${source} does not compile: ${stderr}`);
  return program;
}
