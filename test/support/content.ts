/** The content network with a unit in it, taken down with the test. */
import { type ChildProcess, execFileSync } from 'node:child_process';
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
import {
  bmpPort,
  type Carrier,
  dscpOf,
  isSpoken,
  renderContentSettings,
} from '../../src/lab/content/settings.ts';
import {
  network,
  ourAsn,
  probeSource,
  providerEnd,
  providers,
  type RouterKind,
  router,
  unit,
  upperEnd,
} from '../../src/lab/content/topology.ts';
import { inside, spawnInside } from '../../src/lab/namespaces.ts';
import { beginMark, endMark } from '../../src/router/section.ts';
import { renderBirdPolicy } from '../../src/router/templates/bird.ts';
import { renderFrrPolicy } from '../../src/router/templates/frr.ts';
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
      ...(isSpoken(carrier) ? { egressAddress: unit.egress } : {}),
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
    addPath: carrier !== 'bmp',
    ...(carrier === 'bmp' ? { bmp: { address: unit.address, port: bmpPort } } : {}),
  };
}

export async function openContent(
  t: Test,
  prefix: string,
  carrier: Carrier = 'bgp',
  kind: RouterKind = 'bird',
): Promise<ContentLab> {
  const policy = borderPolicy(carrier);
  // The section that a driver writes stands in every BIRD's file, as router-config prints it.
  const text =
    kind === 'frr'
      ? renderFrrPolicy(policy)
      : [renderBirdPolicy(policy), beginMark, endMark, ''].join('\n');
  const lab = await openContentLab(prefix, text, kind);
  t.teardown(() => closeContentLab(prefix));
  if (carrier === 'marks' || carrier === 'timed')
    await lab.run(router.name, ['sh', '-c', renderLinuxPolicy(policy)]);
  if (carrier === 'timed') await routeProbes(lab);
  if (carrier === 'exports') await exportFlows(t, lab);
  return lab;
}

/** A plain cable in the place of the wire, and an exporter at each provider's port of the router. */
async function exportFlows(t: Test, lab: ContentLab): Promise<void> {
  await lab.run('unit', ['ip', 'link', 'add', 'cable', 'type', 'bridge']);
  for (const port of ['cin', 'cout'])
    await lab.run('unit', ['ip', 'link', 'set', port, 'master', 'cable']);
  await lab.run('unit', ['ip', 'link', 'set', 'cable', 'up']);
  for (const { name } of providers) {
    const index = (await lab.run(router.name, ['cat', `/sys/class/net/${name}/ifindex`])).trim();
    const files = ['-p', `${lab.folder}/${name}.flowpid`, '-c', `${lab.folder}/${name}.flowctl`];
    const timeouts = ['maxlife', 'expint', 'general'].flatMap((kind) => ['-t', `${kind}=1`]);
    const exporter = spawnInside(
      lab.namespace(router.name),
      [
        ...['softflowd', '-d', '-i', `${index}:${name}`, '-n', `${unit.address}:2055`],
        ...['-v', '9', ...files, ...timeouts],
      ],
      { stdio: 'ignore' },
    );
    t.teardown(() => exporter.kill('SIGKILL'));
  }
}

/** Probes leave by the link of their mark, and their answers come back by it. */
async function routeProbes(lab: ContentLab): Promise<void> {
  for (const i of providers.keys()) {
    const source = `${probeSource(i)}/32`;
    await lab.run('unit', ['ip', 'addr', 'add', source, 'dev', 'mgmt']);
    await lab.run(router.name, ['ip', 'route', 'add', source, 'via', unit.address]);
    await lab.run('net', ['ip', 'route', 'add', source, 'via', upperEnd(i)]);
  }
  await lab.run('unit', ['ip', 'route', 'add', 'default', 'via', router.address]);
}

/**
 * What leaves by a provider arrives so much later from now on, until the child is ended. Compiled by the first that
 * asks for it.
 */
export async function delayWayOut(
  t: Test,
  lab: ContentLab,
  provider: string,
  delayUs: number,
): Promise<ChildProcess> {
  const relay = `${lab.folder}/delay-relay`;
  execFileSync('cc', ['-O2', '-o', relay, 'test/support/delay-relay.c']);
  const child = spawnInside(lab.namespace(provider), [relay, 'slow', String(delayUs)], {
    stdio: 'ignore',
  });
  t.teardown(() => child.kill('SIGKILL'));
  await waitFor('the relay', 20_000, () =>
    lab.run(provider, ['ip', 'link', 'set', 'slow', 'up']).then(
      () => true,
      () => false,
    ),
  );
  await lab.run(provider, ['ip', 'route', 'replace', 'default', 'dev', 'slow', 'table', '100']);
  await lab.run(provider, ['ip', 'rule', 'add', 'iif', 'customer', 'table', '100']);
  return child;
}

/** Starts `headgate run`; resolves when both sessions are established. */
export async function startContentUnit(
  t: Test,
  lab: ContentLab,
  carrier: Carrier = 'bgp',
  kind: RouterKind = 'bird',
): Promise<ContentUnit> {
  const settings = `${lab.folder}/headgate.yaml`;
  writeFileSync(
    settings,
    renderContentSettings(lab.folder, carrier, inside(lab.namespace(router.name), []), kind),
  );
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
