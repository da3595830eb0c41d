/**
 * The smallest border:
 *
 *     hgb-unit ---- veth ---- hgb-router
 *      .9 / ::9   10.99.0.0/24    .1 / ::1      inside hosts "behind" the router: 10.99.0.50, 2001:db8:99::50
 *              2001:db8:99::/64
 *
 * At .8 / ::8 is the router's other neighbour, of another AS, in the unit's namespace as well.
 * The test itself runs inside hgb-unit: it starts again there.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ipBatch, removeNamespaces, run } from '../../../src/lab/namespaces.ts';

export interface Border {
  readonly unitSpace: string;
  readonly routerSpace: string;
  readonly unit: { readonly ipv4: string; readonly ipv6: string };
  readonly other: { readonly ipv4: string; readonly ipv6: string };
  readonly router: { readonly ipv4: string; readonly ipv6: string };
  readonly inside: { readonly ipv4: string; readonly ipv6: string };
}

export const border: Border = {
  unitSpace: 'hgb-unit',
  routerSpace: 'hgb-router',
  unit: { ipv4: '10.99.0.9', ipv6: '2001:db8:99::9' },
  other: { ipv4: '10.99.0.8', ipv6: '2001:db8:99::8' },
  router: { ipv4: '10.99.0.1', ipv6: '2001:db8:99::1' },
  inside: { ipv4: '10.99.0.50', ipv6: '2001:db8:99::50' },
};

/** Why the suite cannot run on this machine; undefined when it can. */
export function missingMeans(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  if (!existsSync('/usr/sbin/ip') && !existsSync('/sbin/ip')) return 'needs iproute2';
  return undefined;
}

/**
 * Makes the border and runs the test file again inside the unit's namespace. Gives true there; outside it
 * gives false when the inner run is over, and the caller has nothing more to do.
 */
export async function enterBorder(testUrl: string): Promise<boolean> {
  if (process.env.HGB_INSIDE === '1') return true;
  await removeBorder();
  try {
    await makeBorder();
    const argv = ['netns', 'exec', border.unitSpace, process.execPath, '--enable-source-maps'];
    const child = spawn('ip', [...argv, fileURLToPath(testUrl)], {
      stdio: 'inherit',
      env: { ...process.env, HGB_INSIDE: '1' },
    });
    const forward = () => child.kill('SIGTERM');
    process.once('SIGTERM', forward);
    process.exitCode = await new Promise<number>((resolve) => {
      child.on('close', (code) => resolve(code ?? 1));
    });
  } finally {
    await removeBorder();
  }
  return false;
}

async function makeBorder(): Promise<void> {
  const { unitSpace, routerSpace, unit, other, router } = border;
  await run(['ip', 'netns', 'add', unitSpace]);
  await run(['ip', 'netns', 'add', routerSpace]);
  await run([
    'ip',
    '-n',
    unitSpace,
    'link',
    'add',
    'u0',
    'type',
    'veth',
    'peer',
    'name',
    'r0',
    'netns',
    routerSpace,
  ]);
  for (const [space, port, address] of [
    [unitSpace, 'u0', unit],
    [unitSpace, 'u0', other],
    [routerSpace, 'r0', router],
  ] as const) {
    await ipBatch(space, [
      'link set lo up',
      `link set ${port} up`,
      `address add ${address.ipv4}/24 dev ${port}`,
      // Duplicate address detection would keep the address unusable for a second.
      `address add ${address.ipv6}/64 dev ${port} nodad`,
    ]);
  }
}

const removeBorder = () => removeNamespaces([border.unitSpace, border.routerSpace]);

/** Waits until `check` gives a value; throws with `what` when the deadline passes. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 20_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end)
      throw new Error(`not in ${deadlineMs} ms: ${what} (${String(last)})`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
