/** Real exporters on a router that carries real TCP; what they export must add up to the interface's counters. */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import t from 'tap';
import { createFlowCollector, type FlowCollector } from '../../../src/collect/flow/index.ts';
import { parsePrefix } from '../../../src/core/base/prefix.ts';
import { linkId } from '../../../src/core/base/units.ts';
import {
  addresses,
  type CollectedRouter,
  makeCollectedRouter,
  skipWithoutRouter,
  until,
  wanIndex,
} from '../../support/collected-router.ts';

const link = linkId('north');
const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

/** Both programs count what libpcap gives them; `sampling` is theirs, 1 for none. */
interface Exporter {
  readonly name: string;
  /** pmacct numbers one direction of an interface at a time. */
  readonly hasOutbound: boolean;
  command(port: number, sampling: number, folder: string): readonly string[];
}

/** Every flow is exported within a second or two of its last packet. */
const timeouts = ['maxlife', 'expint', 'tcp', 'tcp.rst', 'tcp.fin', 'general'];

const softflowd = (version: number): Exporter => ({
  name: `softflowd, ${version === 10 ? 'IPFIX' : `NetFlow v${version}`}`,
  hasOutbound: true,
  command: (port, sampling, folder) => [
    ...['softflowd', '-d', '-i', `${wanIndex}:wan`, '-n', `${addresses.collector}:${port}`],
    ...['-v', String(version), '-p', `${folder}/${port}.pid`, '-c', `${folder}/${port}.ctl`],
    ...timeouts.flatMap((name) => ['-t', `${name}=1`]),
    ...(sampling > 1 ? ['-s', String(sampling)] : []),
  ],
});

const pmacct = (
  name: string,
  plugin: 'nfprobe' | 'sfprobe',
  lines: readonly string[],
): Exporter => ({
  name: `pmacct, ${name}`,
  hasOutbound: false,
  command(port, sampling, folder) {
    const file = `${folder}/${port}.conf`;
    const config = [
      'daemonize: false',
      'pcap_interface: wan',
      'promisc: false',
      `plugins: ${plugin}[wan]`,
      // Small, or the last packets wait in it for ever.
      'plugin_buffer_size: 2048',
      'plugin_pipe_size: 20480000',
      `${plugin}_receiver: ${addresses.collector}:${port}`,
      ...lines,
      ...(sampling > 1 ? [`sampling_rate: ${sampling}`] : []),
    ];
    writeFileSync(file, `${config.join('\n')}\n`);
    return ['pmacctd', '-f', file];
  },
});

const nfprobe = (version: number) =>
  pmacct(version === 10 ? 'IPFIX' : 'NetFlow v9', 'nfprobe', [
    `nfprobe_version: ${version}`,
    'aggregate: src_host, dst_host, src_port, dst_port, proto, tos',
    `nfprobe_timeouts: ${timeouts.map((name) => `${name}=1`).join(':')}`,
    'nfprobe_direction[wan]: in',
    `nfprobe_ifindex[wan]: ${wanIndex}`,
  ]);

const sfprobe = pmacct('sFlow', 'sfprobe', [
  `sfprobe_agentip: ${addresses.router}`,
  'sfprobe_direction[wan]: in',
  `sfprobe_ifindex[wan]: ${wanIndex}`,
]);

const exporters = [softflowd(5), softflowd(9), softflowd(10), nfprobe(9), nfprobe(10), sfprobe];

interface Sum {
  inbound: number;
  outbound: number;
  /** Half the width of the stated interval around the inbound sum, bytes. */
  inboundError: number;
  readonly blocks: Set<string>;
}

// The runner's own limit is shorter than a busy machine may need.
t.setTimeout(300_000);

const skip = skipWithoutRouter('softflowd', 'pmacctd');

t.test('real exporters', { skip }, async (t) => {
  const folder = mkdtempSync(`${tmpdir()}/hgc-flows-`);
  const router = await makeCollectedRouter('hgcf');
  t.teardown(async () => {
    await router.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  // The second family costs as long again.
  const families = process.env.HEADGATE_LONG === '1' ? ([4, 6] as const) : ([4] as const);
  for (const family of families) {
    await t.test(`unsampled sums agree with the interface within 1 % (IPv${family})`, async (t) => {
      // NetFlow v5 has no IPv6; softflowd then sends nothing.
      const tested = exporters.filter((e) => family === 4 || !e.name.endsWith('v5'));
      const { sums, truth } = await measure(router, folder, tested, 1, '40M', family);
      for (const [i, { name, hasOutbound }] of tested.entries()) {
        const sum = sums[i];
        const error = (sum?.inbound ?? 0) / truth.inbound - 1;
        t.ok(Math.abs(error) < 0.01, `${name}: inbound ${(error * 100).toFixed(2)} %`);
        t.same([...(sum?.blocks ?? [])], [family === 4 ? '198.51.100.0/24' : '2001:db8:a::/48']);
        if (!hasOutbound) continue;
        const outboundError = (sum?.outbound ?? 0) / truth.outbound - 1;
        t.ok(
          Math.abs(outboundError) < 0.01,
          `${name}: outbound ${(outboundError * 100).toFixed(2)} %`,
        );
      }
    });
  }

  await t.test('sums sampled at 1:100 agree within the stated error', async (t) => {
    const { sums, truth } = await measure(router, folder, exporters, 100, '60M', 4);
    for (const [i, { name }] of exporters.entries()) {
      const { inbound = 0, inboundError = 0 } = sums[i] ?? {};
      const stated = inboundError / inbound;
      const error = inbound / truth.inbound - 1;
      const text = `${name}: ${(error * 100).toFixed(1)} %, stated ${(stated * 100).toFixed(1)} %`;
      t.ok(stated > 0 && stated < 0.3, `${name} says that it samples: stated ${stated}`);
      // 2.5 times the 95 % interval: chance alone fails one run in a hundred thousand.
      t.ok(Math.abs(error) < 2.5 * stated, text);
    }
  });
});

/** Runs all exporters over one transfer and adds up what each delivers until its end. */
async function measure(
  router: CollectedRouter,
  folder: string,
  tested: readonly Exporter[],
  sampling: number,
  rate: string,
  family: 4 | 6,
): Promise<{ sums: readonly Sum[]; truth: { inbound: number; outbound: number } }> {
  const collectors = tested.map(() => makeCollector());
  await Promise.all(collectors.map((collector) => collector.start()));
  const before = await router.wanBytes();
  const children = tested.map((exporter, i) =>
    router.spawn(exporter.command(collectors[i]?.ports()[0] ?? 0, sampling, folder)),
  );
  await capturing(router, tested.length);
  await router.transfer({ seconds: 3, rate, family });
  const after = await router.wanBytes();
  await router.flush();
  const truth = {
    inbound: after.inbound - before.inbound,
    outbound: after.outbound - before.outbound,
  };
  const sums: Sum[] = tested.map(() => ({
    inbound: 0,
    outbound: 0,
    inboundError: 0,
    blocks: new Set(),
  }));
  // Everything has arrived when three seconds bring nothing more: the programs buffer for one.
  let quietSince = Date.now();
  await until('the last export', async () => {
    const news = await Promise.all(collectors.map((collector, i) => addTo(sums[i], collector)));
    if (news.some(Boolean)) quietSince = Date.now();
    return Date.now() - quietSince > 3000;
  });
  await Promise.all(children.map(endProgram));
  await Promise.all(collectors.map((collector) => collector.stop()));
  return { sums, truth };
}

function makeCollector(): FlowCollector {
  return createFlowCollector({
    listen: [{ address: '0.0.0.0', port: 0 }],
    exporters: [
      {
        address: addresses.router,
        links: [{ link, ifIndex: wanIndex }],
        metering: 'any',
        // As Linux counts an interface: without the checksum.
        layer2Overhead: 14,
        octets: 'ip',
      },
    ],
    account: {
      links: [link],
      networks: [],
      blocks: [prefix('198.51.100.0/24'), prefix('2001:db8:a::/48')],
      destinationLength: { ipv4: 24, ipv6: 48 },
      destinationsMax: 1000,
      recordAgeMsMax: 600_000,
    },
  });
}

async function addTo(sum: Sum | undefined, collector: FlowCollector): Promise<boolean> {
  const samples = await collector.samples();
  if (!sum) return false;
  for (const volume of samples.links) {
    sum[volume.direction] += volume.l2Bytes;
    if (volume.direction === 'inbound') {
      sum.inboundError = Math.hypot(sum.inboundError, volume.errorRatio * volume.l2Bytes);
    }
  }
  for (const { block } of samples.blocks) sum.blocks.add(block);
  return samples.links.length > 0;
}

/** Waits until each exporter has its packet socket. */
async function capturing(router: CollectedRouter, count: number): Promise<void> {
  await until('the exporters to listen', () => {
    const text = execFileSync('ip', [
      'netns',
      'exec',
      router.namespaces.router,
      'cat',
      '/proc/net/packet',
    ]);
    return text.toString().trim().split('\n').length > count;
  });
}

async function endProgram(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  if (child.exitCode !== null || !child.kill('SIGINT')) return;
  await ended;
}
