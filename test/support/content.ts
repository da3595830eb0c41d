/** The content network with a unit in it, taken down with the test. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import {
  type ControlClient,
  type DestinationsView,
  openControlClient,
} from '../../src/control/index.ts';
import { parsePrefix } from '../../src/core/base/prefix.ts';
import { asn, linkId, routerId } from '../../src/core/base/units.ts';
import { type ContentLab, closeContentLab, openContentLab } from '../../src/lab/content/lab.ts';
import { type Carrier, dscpOf, renderContentSettings } from '../../src/lab/content/settings.ts';
import {
  network,
  ourAsn,
  providerEnd,
  providers,
  router,
  unit,
} from '../../src/lab/content/topology.ts';
import { spawnInside } from '../../src/lab/namespaces.ts';
import { renderBirdPolicy } from '../../src/router/templates/bird.ts';
import { renderLinuxPolicy } from '../../src/router/templates/linux.ts';
import type { RouterPolicy } from '../../src/router/templates/policy.ts';
import { waitFor } from './lab.ts';

export interface ContentUnit {
  readonly process: ChildProcess;
  destinations(): Promise<DestinationsView>;
  ask(command: string): Promise<unknown>;
}

/** The same text that `headgate router-config` prints. */
function borderPolicy(carrier: Carrier): RouterPolicy {
  const prefix = parsePrefix(network);
  if (!prefix.ok) throw new Error(network);
  return {
    router: routerId(router.name),
    asn: asn(ourAsn),
    unit: {
      address: unit.address,
      asn: asn(ourAsn),
      ...(carrier === 'bgp' ? { egressAddress: unit.egress } : {}),
    },
    networks: [prefix.value],
    floor: { ipv4: 24, ipv6: 48 },
    links: providers.map((provider, i) => ({
      number: i + 1,
      name: linkId(provider.name),
      asn: asn(provider.asn),
      neighbors: [providerEnd(i)],
      mark: { dscp: dscpOf(i) },
    })),
    maxPrefixes: 16,
    maxDetours: 1000,
    addPath: true,
  };
}

export async function openContent(
  t: Test,
  prefix: string,
  carrier: Carrier = 'bgp',
): Promise<ContentLab> {
  const policy = borderPolicy(carrier);
  const lab = await openContentLab(prefix, renderBirdPolicy(policy));
  t.teardown(() => closeContentLab(prefix));
  if (carrier === 'marks') await lab.run(router.name, ['sh', '-c', renderLinuxPolicy(policy)]);
  return lab;
}

/** Starts `headgate run`; resolves when both sessions are established. */
export async function startContentUnit(
  t: Test,
  lab: ContentLab,
  carrier: Carrier = 'bgp',
): Promise<ContentUnit> {
  const settings = `${lab.folder}/headgate.yaml`;
  writeFileSync(settings, renderContentSettings(lab.folder, carrier));
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const child = spawnInside(
    lab.namespace('unit'),
    [process.execPath, '--enable-source-maps', main, 'run', '--config', settings],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const log = createWriteStream(`${lab.folder}/unit.log`, { flags: 'a' });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  let client: ControlClient | undefined;
  t.teardown(async () => {
    client?.close();
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    log.end();
  });
  await waitFor('the unit to answer', 60_000, async () => {
    client = await openControlClient(`${lab.folder}/unit.sock`).catch(() => undefined);
    return client !== undefined;
  });
  const ask = async (command: string): Promise<unknown> => {
    const answer = await client?.ask(command, {});
    if (!answer?.ok) throw new Error(`${command}: ${answer?.error.message}`);
    return answer.value;
  };
  await waitFor('both BGP sessions', 60_000, async () => {
    // A cast: speaker/status.ts is what the command answers.
    const sessions = (await ask('bgp')) as ReadonlyArray<{
      phase: string;
      egress?: { phase: string };
    }>;
    return sessions.every(
      (s) => s.phase === 'established' && (s.egress?.phase ?? 'established') === 'established',
    );
  });
  return {
    process: child,
    ask,
    // A cast: control/views.ts is what the command answers.
    destinations: async () => (await ask('destinations')) as DestinationsView,
  };
}
