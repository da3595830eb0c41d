/**
 * Every frame that we and tshark judge differently, every capture whose count differs from tcptrace's, and every one
 * whose round trips are further from pping's than 1 ms and 2 %, with the rule that explains it. The references are those beside the captures; the tools need not be installed.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type ReplayCounts, startReplay } from '../../src/engine/replay.ts';
import { type Capture, capturesFolder, listCaptures } from './captures.ts';

/** Rule names with what they say; `unexplained` is none. */
export const rules = {
  early_retransmission:
    'tshark takes a retransmission that comes soon after newer data for out of order (it has only the time to go by)',
  filled_at_once:
    'we take it for reordered: TSval, identification or time say that it was sent before what overtook it',
  copy: 'we take it for a copy made by the network or the capture: the same packet, bit for bit in what it says',
  probe: 'we take it for a keep-alive or a window probe',
  keep_alive:
    'tshark takes it for a keep-alive, we for the last byte sent again before it was acknowledged',
  contradictory_lengths:
    'its lengths contradict each other: we count the frame as unparsed and follow nothing of it',
  padded_in_pppoe:
    'an acknowledgement before it has padding within its IP length that only the PPPoE length denies; we go by IP',
  tcptrace_no_tunnel: 'tcptrace does not look inside PPPoE, several tags, MPLS or tunnels',
  tcptrace_counts_all:
    'tcptrace counts every byte seen again: copies, keep-alives and what was reordered, too',
  tcptrace_out_of_order:
    'tcptrace counts the others as out of order: it saw no earlier copy of them',
  tcptrace_misses: 'tshark has as many as we in retransmissions and out of order, tcptrace fewer',
  pping_weights:
    "the flows and sides of the capture are at different distances, and their common median is between them wherever most samples are: pping has one for each tick of a sender's clock, we have one at a time",
  pping_timestamps_only:
    'pping goes by timestamps alone; the handshake and what is acknowledged by sequence number took less',
} as const;

export type Rule = keyof typeof rules | 'unexplained';

export interface Difference {
  readonly capture: string;
  /** Absent where whole captures are compared. */
  readonly frame?: number;
  readonly peer: 'tshark' | 'tcptrace' | 'pping';
  readonly ours: string;
  readonly theirs: string;
  readonly rule: Rule;
}

interface References {
  readonly tshark?: {
    readonly tcp_analysis?: Readonly<Record<string, number>>;
    readonly frames_with_protocol?: Readonly<Record<string, number>>;
  };
  readonly tshark_frames?: Readonly<Record<string, readonly number[]>>;
  readonly tcptrace?: {
    readonly rexmt_data_pkts?: number;
    readonly outoforder_pkts?: number;
    readonly connections?: number;
  };
  readonly pping?: {
    readonly samples: number;
    readonly min_s?: number;
    readonly median_s?: number;
    /** By flow: samples, least and median in seconds. */
    readonly flows?: Readonly<Record<string, readonly [number, number, number]>>;
  };
}

const theirRetransmissions = ['retransmission', 'fast_retransmission', 'spurious_retransmission'];
const ourRetransmissions = ['lost_beyond', 'lost_before', 'spurious'];

/**
 * Of the captures of real networks, and the round trips of the generated ones, whose retransmissions are compared with
 * their truth. The malformed have no sessions.
 */
export async function listDifferences(): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  for (const capture of listCaptures()) {
    if (capture.name.startsWith('malformed/')) continue;
    differences.push(...(await compare(capture)));
  }
  return differences;
}

async function compare({ name, path }: Capture): Promise<readonly Difference[]> {
  const file = `${capturesFolder}/refs/${basename(name).replace(/\.gz$/, '')}.ref.json`;
  // A cast: captures/README.md states the form.
  const references = JSON.parse(readFileSync(file, 'utf8')) as References;
  const { counts } = await startReplay({ path, withFrames: true }).result;
  if (!counts) return [];
  const roundTrips = compareRoundTrips(name, counts, references);
  if (name.startsWith('gen-')) return roundTrips;
  return [
    ...compareFrames(name, counts, references),
    ...compareCounts(name, counts, references),
    ...roundTrips,
  ];
}

function compareFrames(
  capture: string,
  { classified, unparsed }: ReplayCounts,
  { tshark, tshark_frames: labels }: References,
): readonly Difference[] {
  if (!labels) return [];
  const hasContradictions = (unparsed.ip_total_length ?? 0) > 0;
  const hasPppoe = (tshark?.frames_with_protocol?.pppoes ?? 0) > 0;
  const ours = new Map(classified.map((segment) => [segment.frame, segment.class]));
  const theirs = new Map<number, string>();
  // The label that says most comes last.
  for (const label of ['keep_alive', 'out_of_order', ...theirRetransmissions])
    for (const frame of labels[label] ?? []) theirs.set(frame, label);
  const frames = [...new Set([...ours.keys(), ...theirs.keys()])].sort((a, b) => a - b);
  return frames.flatMap((frame): Difference[] => {
    const own = ours.get(frame) ?? 'new';
    const other = theirs.get(frame) ?? 'none';
    if (ourRetransmissions.includes(own) === theirRetransmissions.includes(other)) return [];
    const rule = explainFrame(own, other, hasContradictions, hasPppoe);
    return [{ capture, frame, peer: 'tshark', ours: own, theirs: other, rule }];
  });
}

function explainFrame(
  ours: string,
  theirs: string,
  hasContradictions: boolean,
  hasPppoe: boolean,
): Rule {
  if (ourRetransmissions.includes(ours)) {
    if (theirs === 'out_of_order') return 'early_retransmission';
    if (theirs === 'keep_alive') return 'keep_alive';
    return hasPppoe ? 'padded_in_pppoe' : 'unexplained';
  }
  if (ours === 'reordered') return 'filled_at_once';
  if (ours === 'duplicate') return 'copy';
  if (ours === 'keep_alive' || ours === 'window_probe') return 'probe';
  return hasContradictions ? 'contradictory_lengths' : 'unexplained';
}

function compareCounts(
  capture: string,
  { tcp }: ReplayCounts,
  { tcptrace, tshark }: References,
): readonly Difference[] {
  if (tcptrace?.rexmt_data_pkts === undefined) return [];
  const seenAgain = tcp.lostBeyond + tcp.spurious;
  const own = seenAgain + tcp.lostBefore;
  const theirs = tcptrace.rexmt_data_pkts;
  if (own === theirs) return [];
  const { retransmission = 0, out_of_order: outOfOrder = 0 } = tshark?.tcp_analysis ?? {};
  let rule: Rule = 'unexplained';
  if (tcptrace.connections === 0) rule = 'tcptrace_no_tunnel';
  else if (theirs < own && own <= theirs + (tcptrace.outoforder_pkts ?? 0))
    rule = 'tcptrace_out_of_order';
  else if (theirs < own && own === retransmission + outOfOrder) rule = 'tcptrace_misses';
  else if (
    theirs > seenAgain &&
    theirs <= seenAgain + tcp.duplicates + tcp.keepAlives + tcp.reordered
  )
    rule = 'tcptrace_counts_all';
  return [{ capture, peer: 'tcptrace', ours: String(own), theirs: String(theirs), rule }];
}

function compareRoundTrips(
  capture: string,
  { rttUs }: ReplayCounts,
  { pping }: References,
): readonly Difference[] {
  if (!pping?.samples || pping.min_s === undefined || pping.median_s === undefined) return [];
  const flows = Object.values(pping.flows ?? {});
  const differ = (what: string, oursUs: number, theirsUs: number, rule: Rule): Difference[] =>
    isNear(oursUs, theirsUs)
      ? []
      : [
          {
            capture,
            peer: 'pping',
            ours: `${what} ${Math.round(oursUs)} us`,
            theirs: `${Math.round(theirsUs)} us`,
            rule,
          },
        ];
  const least = Math.min(...flows.map(([, min_s]) => min_s * 1e6));
  const greatest = Math.max(...flows.map(([, , median_s]) => median_s * 1e6));
  const median = rttUs.p50 ?? Number.NaN;
  const isBetween = median >= least && median <= greatest;
  const isSooner = (rttUs.min ?? Number.NaN) < least;
  return [
    ...differ(
      'least',
      rttUs.min ?? Number.NaN,
      pping.min_s * 1e6,
      isSooner ? 'pping_timestamps_only' : 'unexplained',
    ),
    ...differ('median', median, pping.median_s * 1e6, isBetween ? 'pping_weights' : 'unexplained'),
  ];
}

/** Within 1 ms or 2 %. */
const isNear = (oursUs: number, theirsUs: number): boolean =>
  Math.abs(oursUs - theirsUs) <= Math.max(1000, theirsUs * 0.02);
