import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import type { Driver } from '../../../src/engine/index.ts';
import { Border, insideAddress, outsideAddress, until } from '../../wire/border.ts';
import { WireCommand } from '../../wire/wire-command.ts';

/** One run of one contender; a figure is left out where it has no meaning. */
export interface Measured {
  /** Delivered per second, 64-byte and 1514-byte frames. */
  readonly small?: number;
  readonly full?: number;
  /** Nanoseconds of the sending core's time for a small frame and for a full one, where that core does all of it. */
  readonly smallCpu?: number;
  readonly fullCpu?: number;
  /** Share of 64-byte frames that did not arrive. */
  readonly loss?: number;
  /** Bits per second of one TCP stream, far ends' offloads on and off. */
  readonly tcpOn?: number;
  readonly tcpOff?: number;
  /** Nanoseconds. */
  readonly rttP50?: number;
  readonly rttP99?: number;
}

export interface Setting {
  readonly folder: string;
  /** The compiled tool.c. */
  readonly tool: string;
  /** The compiled generate.bpf.c. */
  readonly generator: string;
  /** How many foreign prefixes headgate has a link for. */
  readonly destinations: number;
  readonly seconds: number;
}

interface Contender {
  readonly name: string;
  /** Frames arrive at the far end without a buffer, with all that this asks of it. */
  readonly isXdp?: boolean;
  /** Carries frames of a slot only: no super-packets, so no TCP figures. */
  readonly isPlain?: boolean;
  /** A process forwards, on another core: the sending core's time tells nothing. */
  readonly isForwardedAside?: boolean;
  readonly start: (border: Border, setting: Setting) => Promise<void>;
  readonly stop?: (border: Border, setting: Setting) => void;
}

const byTool =
  (...args: readonly string[]) =>
  async (border: Border, { tool }: Setting): Promise<void> => {
    const child = border.start('unit', tool, ...args);
    let isReady = args[0] === 'forward';
    child.stdout?.once('data', () => {
      isReady = true;
    });
    await until(`${args[0]} is ready`, () => isReady, Boolean);
  };

/** 100,000 blocks, ours among them. */
const blocks = [
  prefixText(`${insideAddress}/32`),
  ...Array.from({ length: 99_999 }, (_, i) =>
    prefixText(`10.${128 + (i >> 10)}.${(i >> 2) & 255}.${(i & 3) * 64}/26`),
  ),
];

const byHeadgate = (driver: Driver): Contender => ({
  name: `headgate ${driver}`,
  isXdp: driver === 'xdp',
  isForwardedAside: driver === 'af_packet',
  start: async (border, { folder, destinations }) => {
    const installed = new WireCommand(folder, driver).run(border, 'install');
    if (installed.code !== 0) throw new Error(installed.err);
    await border.openUnit(
      {
        wires: [{ name: 'core', place: 'inside', inside: 'in0', outside: 'out0', driver }],
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
  byHeadgate('af_packet'),
  byHeadgate('tc'),
  byHeadgate('xdp'),
];

export async function measure(contender: Contender, setting: Setting): Promise<Measured> {
  const border = new Border('hgwb', { isQuiet: true });
  try {
    // The generator's frames carry no buffer: the first port must be ready for that. The same for all.
    border.run('unit', 'ethtool', '-K', 'in0', 'gro', 'on');
    if (contender.isXdp) border.fitPeers();
    await contender.start(border, setting);
    const reaches = () => border.runAside('inside', 'ping', '-c', '1', '-W', '1', outsideAddress);
    await until('packets pass', reaches, (text) => text.includes(' 0% packet loss'));

    const rtt = await roundTrips(border, setting);
    const hasTcpOn = !contender.isXdp && !contender.isPlain;
    const tcpOn = hasTcpOn ? { tcpOn: await tcp(border, setting) } : {};
    border.setOffloads('off');
    if (contender.isXdp) border.fitPeers();
    const tcpOff = contender.isPlain ? {} : { tcpOff: await tcp(border, setting) };
    // Readers of copies work beside it, on the other core, as they do where a card's queue has a core of its own.
    pin(border, String(cpus().length - 1));
    const small = await flood(border, setting, 66, contender.isXdp ?? false);
    const full = await flood(border, setting, 1514, contender.isXdp ?? false);
    const cpu = contender.isForwardedAside ? {} : { smallCpu: small.cpuNs, fullCpu: full.cpuNs };
    return {
      ...rtt,
      ...tcpOn,
      ...tcpOff,
      small: small.rate,
      loss: small.loss,
      full: full.rate,
      ...cpu,
    };
  } finally {
    contender.stop?.(border, setting);
    border.close();
  }
}

async function roundTrips(border: Border, { tool, seconds }: Setting): Promise<Measured> {
  // The same processor for all: a wake-up across processors would be most of what is measured.
  pin(border, '0');
  const echo = border.start('outside', 'taskset', '-c', '0', tool, 'echo');
  await until(
    'echo listens',
    () => border.run('outside', 'ss', '-Hlun'),
    (text) => text.includes(':7000'),
  );
  const text = await border.runAside(
    'inside',
    'taskset',
    '-c',
    '0',
    tool,
    'ping',
    outsideAddress,
    String(seconds),
  );
  echo.kill('SIGKILL');
  pin(border, `0-${cpus().length - 1}`);
  const { p50, p99 } = JSON.parse(text);
  return { rttP50: p50, rttP99: p99 };
}

/** Puts what runs in the unit's namespace on these processors. */
function pin(border: Border, processors: string): void {
  const pids = execFileSync('ip', ['netns', 'pids', border.namespace('unit')], {
    encoding: 'utf8',
  });
  for (const pid of pids.split(/\s+/).filter((text) => text !== ''))
    execFileSync('taskset', ['-a', '-p', '-c', processors, pid], { stdio: 'ignore' });
}

async function tcp(border: Border, { seconds }: Setting): Promise<number> {
  const server = border.start('outside', 'iperf3', '-s', '-1');
  await until(
    'iperf3 listens',
    () => border.run('outside', 'ss', '-Hltn'),
    (text) => text.includes(':5201'),
  );
  const time = String(Math.max(1, Math.round(seconds)));
  const text = await border.runAside('inside', 'iperf3', '-J', '-c', outsideAddress, '-t', time);
  server.kill('SIGKILL');
  return JSON.parse(text).end.sum_received.bits_per_second;
}

/** Sends flat out from the inside host; what its far end received. */
async function flood(
  border: Border,
  { tool, generator, seconds }: Setting,
  length: number,
  isXdp: boolean,
): Promise<{ readonly rate: number; readonly loss: number; readonly cpuNs: number }> {
  const sink = isXdp ? border.start('outside', tool, 'sink', 'o0') : undefined;
  if (sink) {
    let isReady = false;
    sink.stdout?.once('data', () => {
      isReady = true;
    });
    await until('the sink is ready', () => isReady, Boolean);
  }
  const received = () => {
    if (!isXdp) return border.interfaceBytes('outside', 'o0').rxPackets;
    const statistics = border.run('outside', 'ethtool', '-S', 'o0');
    return [...statistics.matchAll(/rx_queue_\d+_xdp_packets: (\d+)/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };
  const before = received();
  const text = await border.runAside(
    'inside',
    'taskset',
    '-c',
    '0',
    tool,
    'generate',
    'i0',
    String(seconds),
    String(length),
    generator,
  );
  const { sent, seconds: took, cpu_ns: cpuNs } = JSON.parse(text);
  const warmUp = 2 ** 16;
  const arrived = received() - before;
  sink?.kill('SIGKILL');
  const share = arrived / (sent + warmUp);
  return { rate: (share * sent) / took, loss: Math.max(0, 1 - share), cpuNs };
}
