/** What one contender of the wire bench is asked for, once, on the border where it stands. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, getPriority, setPriority } from 'node:os';
import { basename } from 'node:path';
import { type Border, outsideAddress, until } from '../../wire/border.ts';
import type { Contender, Setting } from './contenders.ts';

/** One measurement's values by the unit that the table shows them with; what has no meaning is left out. */
export type Figures = Readonly<Record<string, number>>;

export const units = {
  /** Delivered per second: frames of 66 bytes, of 1514, and mixed as on a provider's link. */
  small: 'Mpps, 66 bytes',
  full: 'Mpps, 1514 bytes',
  mixed: 'Mpps, mixed sizes',
  /** When another processor sends. */
  oneCore: 'Mpps, 66 bytes, one core',
  /** Of all that forwards, delivers and reads copies on that one core, for a frame that arrived. */
  oneCoreCpu: 'ns of the one core, 66 bytes',
  /** Where the core that sends does all of it. */
  smallCpu: 'ns of the sending core, 66 bytes',
  fullCpu: 'ns of the sending core, 1514 bytes',
  /** Of the process that forwards, for a frame that arrived. */
  asideCpu: 'ns of the forwarder, 66 bytes',
  loss: '% lost flat out, 66 bytes',
  tcpOn: 'Gbit/s TCP, offloads on',
  tcpOff: 'Gbit/s TCP, offloads off',
  rttP50: 'us round trip, median',
  rttP99: 'us round trip, p99',
} as const;

export const lossAt = (load: number): string =>
  `% lost of ${load.toLocaleString('en')} a second, 66 bytes`;

/** A contender that has been started, on a border of its own that stays until the bench ends. */
export interface Standing {
  readonly contender: Contender;
  readonly border: Border;
  readonly setting: Setting;
}

const lastProcessor = String(cpus().length - 1);
const everyProcessor = `0-${lastProcessor}`;
/**
 * Before what else this machine has to do, so that the figures are the contenders' and not its. Ends of sessions behind
 * the unit's own loop, as they are elsewhere; the generator before everything: only a forwarder that has too much to do
 * shows what a packet costs.
 */
const asAnEnd = ['nice', '-n', '-10'] as const;
const asGenerator = ['nice', '-n', '-20'] as const;

/** Both ends and the forwarder on one processor: a wake-up across processors would be most of what is measured. */
export async function prepareRoundTrips({ border, setting }: Standing): Promise<void> {
  pin(border, '0');
  border.start('outside', ...asAnEnd, 'taskset', '-c', '0', setting.tool, 'echo');
  await until(
    'echo listens',
    () => border.run('outside', 'ss', '-Hlun'),
    (text) => text.includes(':7000'),
  );
}

export async function roundTrips({ border, setting }: Standing): Promise<Figures> {
  const { tool, seconds } = setting;
  const ping = [...asAnEnd, 'taskset', '-c', '0', tool, 'ping', outsideAddress, String(seconds)];
  const said = await border.runAside('inside', ...ping);
  if (said === '') throw new Error('no datagram came back');
  const { p50, p99 } = JSON.parse(said);
  return { [units.rttP50]: p50 / 1e3, [units.rttP99]: p99 / 1e3 };
}

export function prepareTcp({ border }: Standing): void {
  pin(border, everyProcessor);
}

/** Bits per second of one stream. */
export async function tcp({ border, setting }: Standing): Promise<number> {
  const server = border.start('outside', ...asAnEnd, 'iperf3', '-s', '-1');
  await until(
    'iperf3 listens',
    () => border.run('outside', 'ss', '-Hltn'),
    (text) => text.includes(':5201'),
  );
  const time = String(Math.max(1, Math.round(setting.seconds)));
  const client = ['iperf3', '-J', '-c', outsideAddress, '-t', time];
  const text = await border.runAside('inside', ...asAnEnd, ...client);
  server.kill('SIGKILL');
  return JSON.parse(text).end.sum_received.bits_per_second;
}

/** Cards without offloads, as the generator's frames have none. */
export function withoutOffloads({ border, contender }: Standing): void {
  border.setOffloads('off');
  if (contender.isXdp) border.fitPeers();
  if (contender.isBare) border.run('outside', 'ethtool', '-K', 'o0', 'gro', 'on');
}

/** Readers of copies work beside it, on the other core, as they do where a card's queue has a core of its own. */
export async function prepareFlood({ border, contender, setting }: Standing): Promise<void> {
  pin(border, contender.isSpread ? everyProcessor : lastProcessor);
  if (!contender.isXdp) return;
  const sink = border.start('outside', setting.tool, 'sink', 'o0');
  let isReady = false;
  sink.stdout?.once('data', () => {
    isReady = true;
  });
  await until('the sink is ready', () => isReady, Boolean);
}

interface Flooded {
  readonly rate: number;
  readonly arrived: number;
  readonly loss: number;
  readonly cpuNs: number;
}

/**
 * Sends from the inside host; what its far end received.
 * @param length of each frame; 0: mixed
 * @param rate frames a second; 0: flat out
 */
export async function flood(
  { border, contender, setting }: Standing,
  length: number,
  rate = 0,
): Promise<Flooded> {
  const received = () => {
    if (!contender.isXdp) return border.interfaceBytes('outside', 'o0').rxPackets;
    const statistics = border.run('outside', 'ethtool', '-S', 'o0');
    return [...statistics.matchAll(/rx_queue_\d+_xdp_packets: (\d+)/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };
  const before = received();
  const what = ['i0', String(setting.seconds), String(length), String(rate), setting.generator];
  const generate = [...asGenerator, 'taskset', '-c', '0', setting.tool, 'generate', ...what];
  const text = await border.runAside('inside', ...generate);
  const { sent, warm_up: warmUp, seconds: took, cpu_ns: cpuNs } = JSON.parse(text);
  const arrived = received() - before;
  const share = arrived / (sent + warmUp);
  return { rate: (share * sent) / took, arrived, loss: Math.max(0, 1 - share), cpuNs };
}

/** Flat out, 66 bytes. */
export async function floodSmall(standing: Standing): Promise<Figures> {
  const before = spentNs(standing.border);
  const { rate, loss, arrived, cpuNs } = await flood(standing, 66);
  const asideNs = spentNs(standing.border) - before;
  return {
    [units.small]: rate / 1e6,
    [units.loss]: loss * 100,
    ...(standing.contender.isForwardedAside
      ? { [units.asideCpu]: asideNs / arrived }
      : { [units.smallCpu]: cpuNs }),
  };
}

/** Frames come in served by a thread, on the processor where everything happens that comes after. */
export function prepareOneCore({ border, contender }: Standing): void {
  if (contender.isBare) return;
  border.run('unit', 'sh', '-c', 'echo 1 >/sys/class/net/in0/threaded');
  for (const pid of kernelThreads('napi/in0-')) {
    execFileSync('taskset', ['-p', '-c', lastProcessor, pid], { stdio: 'ignore' });
    setPriority(Number(pid), -oneCoreAhead);
  }
  for (const task of processes(border).flatMap(tasksOf)) {
    const tid = Number(basename(task));
    setPriority(tid, Math.max(-20, getPriority(tid) - oneCoreAhead));
  }
}

/**
 * Nice levels. What forwards and what reads copies share the core by their weights among each other, as on a machine that
 * has nothing else to do: a reader that had the core whenever others have displaced what forwards would cost more.
 */
const oneCoreAhead = 15;

export async function floodOneCore(standing: Standing): Promise<Figures> {
  // All ports' threads: those of others sleep.
  const threads = kernelThreads('napi/in0-');
  const before = spentNs(standing.border, threads);
  const { rate, arrived } = await flood(standing, 66);
  const spent = spentNs(standing.border, threads) - before;
  return { [units.oneCore]: rate / 1e6, [units.oneCoreCpu]: spent / arrived };
}

function kernelThreads(name: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith(name);
    } catch {
      return false; // ended meanwhile
    }
  });
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

function tasksOf(pid: string): string[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`);
}

/** What the unit's processes, with all their threads, and `more` have spent on a processor, and what was put off there. */
function spentNs(border: Border, more: readonly string[] = []): number {
  return [...processes(border), ...more, ...kernelThreads(`ksoftirqd/${lastProcessor}`)]
    .flatMap(tasksOf)
    .reduce((sum, task) => {
      const [spent] = readFileSync(`${task}/schedstat`, 'utf8').split(' ');
      return sum + Number(spent);
    }, 0);
}
