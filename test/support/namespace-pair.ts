/** Two network namespaces with a cable between: a test file runs again inside the one, routers run in the other. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ipBatch, removeNamespaces, run } from '../../src/lab/namespaces.ts';

/**
 * True inside `name`; outside it makes `name` and `NAME-far` with their IPv4 addresses (of one /24), waits for the run
 * inside, and gives false: nothing more is to do.
 */
export async function enterPair(
  name: string,
  testUrl: string,
  addresses: { readonly near: readonly string[]; readonly far: readonly string[] },
): Promise<boolean> {
  if (process.env.HG_INSIDE === name) return true;
  const far = `${name}-far`;
  await removeNamespaces([name, far]);
  try {
    for (const space of [name, far]) await run(['ip', 'netns', 'add', space]);
    await ipBatch(name, [`link add near type veth peer name far netns ${far}`]);
    for (const [space, port, list] of [
      [name, 'near', addresses.near],
      [far, 'far', addresses.far],
    ] as const)
      await ipBatch(space, [
        'link set lo up',
        `link set ${port} up`,
        ...list.map((address) => `address add ${address}/24 dev ${port}`),
      ]);
    const argv = ['netns', 'exec', name, process.execPath, '--enable-source-maps'];
    const child = spawn('ip', [...argv, fileURLToPath(testUrl)], {
      stdio: 'inherit',
      env: { ...process.env, HG_INSIDE: name },
    });
    const forward = () => child.kill('SIGTERM');
    process.once('SIGTERM', forward);
    process.exitCode = await new Promise<number>((resolve) => {
      child.on('close', (code) => resolve(code ?? 1));
    });
  } finally {
    await removeNamespaces([name, far]);
  }
  return false;
}
