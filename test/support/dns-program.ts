import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parsePrefix } from '../../src/core/base/prefix.ts';
import { spawnInside } from '../../src/lab/namespaces.ts';
import type { ResolverWeights, SteerSnapshot } from '../../src/steer/index.ts';

/** `ResolverWeights` as JSON. */
export interface PlainWeights {
  readonly default: Readonly<Record<string, number>>;
  readonly networks?: ReadonlyArray<{
    readonly prefix: string;
    readonly weights: Readonly<Record<string, number>>;
  }>;
}

export function weightsOf(plain: PlainWeights): ResolverWeights {
  const networks = (plain.networks ?? []).map(({ prefix, weights }) => {
    const parsed = parsePrefix(prefix);
    if (!parsed.ok) throw new Error(prefix);
    return { prefix: parsed.value, weights };
  });
  return { default: plain.default, networks };
}

export interface DnsProgram {
  readonly publish: (weights: PlainWeights) => Promise<SteerSnapshot>;
  readonly snapshot: () => Promise<SteerSnapshot>;
  readonly stop: () => Promise<void>;
}

export const dnsServerFile = fileURLToPath(new URL('./dns-server.js', import.meta.url));

/** Runs dns-server.js in a namespace and waits until it is ready; its errors go to our stderr. */
export async function startDnsProgram(
  namespace: string,
  mode: 'native' | 'javascript',
  settings: object,
): Promise<DnsProgram> {
  const child: ChildProcess = spawnInside(
    namespace,
    [process.execPath, dnsServerFile, mode, JSON.stringify(settings)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  if (!child.stdout) throw new Error('its stdout is a pipe');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done) throw new Error('the name server ended');
    return line.value;
  };
  await next();
  const order = async (value: object): Promise<SteerSnapshot> => {
    child.stdin?.write(`${JSON.stringify(value)}\n`);
    // Written by dns-server.ts.
    return JSON.parse(await next()) as SteerSnapshot;
  };
  return {
    publish: (weights) => order({ publish: weights }),
    snapshot: () => order({}),
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.stdin?.end();
      }),
  };
}
