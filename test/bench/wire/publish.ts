/** How long a full table of destinations with weights takes from the routers' table to the wires. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PublicationTimes } from './publish-program.ts';

const space = 'hgbenchpub';

/** In a namespace of its own, removed again. Throws where the machine does not let it. */
export function measurePublication(destinations: number): PublicationTimes {
  const ip = (...args: readonly string[]) => execFileSync('ip', args, { stdio: 'ignore' });
  remove();
  ip('netns', 'add', space);
  try {
    for (const port of ['in', 'out']) {
      const ends = [`${port}0`, `${port}1`];
      ip('-n', space, 'link', 'add', `${port}0`, 'type', 'veth', 'peer', 'name', `${port}1`);
      for (const end of ends) ip('-n', space, 'link', 'set', end, 'up');
    }
    const program = fileURLToPath(new URL('./publish-program.js', import.meta.url));
    const argv = ['netns', 'exec', space, process.execPath, program, String(destinations)];
    const told = execFileSync('ip', argv, { encoding: 'utf8', timeout: 120_000 });
    return JSON.parse(told) as PublicationTimes; // the program's own format
  } finally {
    remove();
  }
}

function remove(): void {
  try {
    execFileSync('ip', ['netns', 'del', space], { stdio: 'ignore' });
  } catch {
    // There was none.
  }
}
