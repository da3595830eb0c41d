/** What one contender of the wire bench is asked for, on a border of its own. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Border, outsideAddress, until } from '../../wire/border.ts';
import type { Contender, Setting } from './contenders.ts';

/** One run of one contender; a figure is left out where it has no meaning. */
export interface Measured {
  /** Delivered per second: frames of 66 bytes, of 1514, and mixed as on a provider's link. */
  readonly small?: number;
  readonly full?: number;
  readonly mixed?: number;
  /** Of 66 bytes, when one processor forwards, delivers and reads copies, and another one sends. */
  readonly oneCore?: number;
  /** Nanoseconds of the sending core's time for a small frame and for a full one, where that core does all of it. */
  readonly smallCpu?: number;
  readonly fullCpu?: number;
  /** Nanoseconds of the time of the process that forwards, for a small frame that arrived. */
  readonly asideCpu?: number;
  /** Share of 66-byte frames that did not arrive, flat out and at fixed loads (frames a second). */
  readonly loss?: number;
  readonly lossAt?: ReadonlyMap<number, number>;
  /** Bits per second of one TCP stream, far ends' offloads on and off. */
  readonly tcpOn?: number;
  readonly tcpOff?: number;
  /** Nanoseconds. */
  readonly rttP50?: number;
  readonly rttP99?: number;
}

export async function measure(contender: Contender, setting: Setting): Promise<Measured> {
  const border = new Border('hgwb', { isQuiet: true });
  const { isXdp = false, isPlain = false, isForwardedAside = false, isBare = false } = contender;
  try {
    // The generator's frames carry no buffer: the first port must be ready for that. The same for all.
    border.run('unit', 'ethtool', '-K', 'in0', 'gro', 'on');
    if (isXdp) border.fitPeers();
    await contender.start(border, setting);
    if (isBare) border.run('outside', 'ethtool', '-K', 'o0', 'gro', 'on');
    const reaches = () => border.runAside('inside', 'ping', '-c', '1', '-W', '1', outsideAddress);
    await until('packets pass', reaches, (text) => text.includes(' 0% packet loss'));

    const rtt = await roundTrips(border, setting);
    const tcpOn = isXdp || isPlain ? {} : { tcpOn: await tcp(border, setting) };
    border.setOffloads('off');
    if (isXdp) border.fitPeers();
    if (isBare) border.run('outside', 'ethtool', '-K', 'o0', 'gro', 'on');
    const hasTcpOff = !isPlain && (isXdp || !setting.isQuick);
    const tcpOff = !hasTcpOff ? {} : { tcpOff: await tcp(border, setting) };
    // Readers of copies work beside it, on the other core, as they do where a card's queue has a core of its own.
    pin(border, lastProcessor);
    const before = processTimeNs(border);
    const small = await flood(border, setting, { length: 66, isXdp });
    const asideNs = processTimeNs(border) - before;
    const full = await flood(border, setting, { length: 1514, isXdp });
    const mixed = await flood(border, setting, { length: 0, isXdp });
    const lossAt = new Map<number, number>();
    for (const rate of setting.loads)
      lossAt.set(rate, (await flood(border, setting, { length: 66, isXdp, rate })).loss);
    const oneCore = isBare ? {} : { oneCore: await floodOneCore(border, setting, isXdp) };
    const cpu = isForwardedAside
      ? { asideCpu: asideNs / small.arrived }
      : { smallCpu: small.cpuNs, fullCpu: full.cpuNs };
    return {
      ...rtt,
      ...tcpOn,
      ...tcpOff,
      small: small.rate,
      loss: small.loss,
      lossAt,
      full: full.rate,
      mixed: mixed.rate,
      ...oneCore,
      ...cpu,
    };
  } finally {
    contender.stop?.(border, setting);
    border.close();
  }
}

const lastProcessor = String(cpus().length - 1);

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

function processes(border: Border): string[] {
  const text = execFileSync('ip', ['netns', 'pids', border.namespace('unit')], {
    encoding: 'utf8',
  });
  return text.split(/\s+/).filter((pid) => pid !== '');
}

/** Puts what runs in the unit's namespace on these processors. */
function pin(border: Border, processors: string): void {
  for (const pid of processes(border))
    execFileSync('taskset', ['-a', '-p', '-c', processors, pid], { stdio: 'ignore' });
}

/** What those processes have spent on a processor, all threads together. */
function processTimeNs(border: Border): number {
  return processes(border)
    .flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`))
    .reduce((sum, task) => {
      const [spent] = readFileSync(`${task}/schedstat`, 'utf8').split(' ');
      return sum + Number(spent);
    }, 0);
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

interface Flood {
  /** 0: mixed. */
  readonly length: number;
  readonly isXdp: boolean;
  /** Frames a second; flat out without. */
  readonly rate?: number;
}

interface Flooded {
  readonly rate: number;
  readonly arrived: number;
  readonly loss: number;
  readonly cpuNs: number;
}

/** Sends from the inside host; what its far end received. */
async function flood(
  border: Border,
  { tool, generator, seconds }: Setting,
  { length, isXdp, rate = 0 }: Flood,
): Promise<Flooded> {
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
    ...['taskset', '-c', '0', tool, 'generate', 'i0', String(seconds), String(length)],
    ...[String(rate), generator],
  );
  const { sent, warm_up: warmUp, seconds: took, cpu_ns: cpuNs } = JSON.parse(text);
  const arrived = received() - before;
  sink?.kill('SIGKILL');
  const share = arrived / (sent + warmUp);
  return { rate: (share * sent) / took, arrived, loss: Math.max(0, 1 - share), cpuNs };
}

/** The same flat out while the port where frames come in is served by a thread, beside everything that comes after. */
async function floodOneCore(border: Border, setting: Setting, isXdp: boolean): Promise<number> {
  const threaded = (is: 0 | 1) =>
    border.run('unit', 'sh', '-c', `echo ${is} >/sys/class/net/in0/threaded`);
  threaded(1);
  const threads = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('napi/in0-');
    } catch {
      return false; // ended meanwhile
    }
  });
  for (const pid of threads)
    execFileSync('taskset', ['-p', '-c', lastProcessor, pid], { stdio: 'ignore' });
  try {
    return (await flood(border, setting, { length: 66, isXdp })).rate;
  } finally {
    threaded(0);
  }
}
