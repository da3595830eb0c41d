/** Who carries the packets in the wire bench, and how each is started. */
import { fileURLToPath } from 'node:url';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import type { Driver } from '../../../src/engine/index.ts';
import { type Border, insideAddress, until } from '../../wire/border.ts';
import { WireCommand } from '../../wire/wire-command.ts';

export interface Setting {
  readonly folder: string;
  /** The compiled tool.c. */
  readonly tool: string;
  /** The compiled generate.bpf.c. */
  readonly generator: string;
  /** How many foreign prefixes headgate has a link for. */
  readonly destinations: number;
  /** Of one measurement. */
  readonly seconds: number;
  /** The compiled xsk.c. */
  readonly xsk: string;
  /** Where the npm package `cap` is installed; without it that contender is skipped. */
  readonly cap?: string;
}

export interface Contender {
  readonly name: string;
  /** Frames arrive at the far end without a buffer, with all that this asks of it. */
  readonly isXdp?: boolean;
  /** Carries frames of a slot only: no super-packets, so no TCP figures. */
  readonly isPlain?: boolean;
  /** A process forwards, on another core: the sending core's time tells nothing. */
  readonly isForwardedAside?: boolean;
  /** Several threads forward: they have every processor, also the one that sends. */
  readonly isSpread?: boolean;
  /** A quick run has no time for it. */
  readonly isOfWholeRuns?: boolean;
  /** There is no unit between the hosts. */
  readonly isBare?: boolean;
  readonly start: (border: Border, setting: Setting) => Promise<void>;
  readonly stop?: (border: Border, setting: Setting) => void;
}

/** Starts a forwarder that says when it is ready. */
async function startForwarder(border: Border, ...command: readonly string[]): Promise<void> {
  const child = border.start('unit', ...command);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  let isReady = false;
  child.stdout?.once('data', () => {
    isReady = true;
  });
  const isOver = () => isReady || child.exitCode !== null;
  await until(`${command[0]} is ready`, isOver, Boolean);
  if (!isReady) throw new Error(said.trim());
}

const byTool =
  (...args: readonly string[]) =>
  (border: Border, { tool }: Setting): Promise<void> =>
    startForwarder(border, tool, ...args);

const forwardByCap = fileURLToPath(new URL('./cap-forward.js', import.meta.url));

/** 100,000 blocks, ours among them. */
const blocks = [
  prefixText(`${insideAddress}/32`),
  ...Array.from({ length: 99_999 }, (_, i) =>
    prefixText(`10.${128 + (i >> 10)}.${(i >> 2) & 255}.${(i & 3) * 64}/26`),
  ),
];

const byHeadgate = (driver: Driver, workers = 1): Contender => ({
  name: `headgate ${driver}${workers === 1 ? '' : `, ${workers} workers`}`,
  isSpread: workers > 1,
  isOfWholeRuns: workers > 1,
  isXdp: driver === 'xdp',
  isForwardedAside: driver === 'af_packet',
  start: async (border, { folder, destinations }) => {
    const installed = new WireCommand(folder, driver).run(border, 'install');
    if (installed.code !== 0) throw new Error(installed.err);
    await border.openUnit(
      {
        wires: [{ name: 'core', place: 'inside', inside: 'in0', outside: 'out0', driver, workers }],
        tables: {
          blocks,
          links: [
            {
              link: linkId('north'),
              attribute: { wire: 'core', mac: border.macOf('outside', 'o0') },
              mark: { dscp: 10 },
            },
          ],
        },
      },
      { inMountNamespace: true, destinations },
    );
  },
  stop: (border, { folder }) => void new WireCommand(folder, driver).run(border, 'release'),
});

export const contenders: readonly Contender[] = [
  {
    name: 'direct pair',
    isBare: true,
    start: async (border) => border.joinHosts(),
  },
  {
    name: 'bridge',
    start: async (border) => {
      border.run('unit', 'ip', 'link', 'add', 'br0', 'type', 'bridge');
      // The figure is the bridge's own: no packet filter in its way.
      for (const family of ['ip', 'ip6', 'arp'])
        border.run(
          'unit',
          'sh',
          '-c',
          `echo 0 >/proc/sys/net/bridge/bridge-nf-call-${family}tables || true`,
        );
      for (const port of ['in0', 'out0'])
        border.run('unit', 'ip', 'link', 'set', port, 'master', 'br0');
      border.run('unit', 'ip', 'link', 'set', 'br0', 'up');
    },
  },
  { name: 'tc redirect', start: byTool('redirect', 'tc', 'in0', 'out0') },
  { name: 'XDP redirect', isXdp: true, start: byTool('redirect', 'xdp', 'in0', 'out0') },
  {
    name: 'minimal AF_PACKET',
    isPlain: true,
    isForwardedAside: true,
    start: byTool('forward', 'in0', 'out0'),
  },
  {
    name: 'AF_XDP, copy mode',
    isXdp: true,
    isForwardedAside: true,
    start: (border, { xsk }) => startForwarder(border, xsk, 'in0', 'out0'),
  },
  {
    name: 'npm cap',
    isPlain: true,
    isForwardedAside: true,
    start: async (border, { cap }) => {
      if (cap === undefined)
        throw new Error('a whole run installs the package, a quick one does not');
      await startForwarder(border, process.execPath, forwardByCap, cap, 'in0', 'out0');
    },
  },
  byHeadgate('af_packet'),
  byHeadgate('af_packet', 2),
  byHeadgate('tc'),
  byHeadgate('xdp'),
];
