/** What must hold of a capture whose frames are wrapped in other protocols, beside the same capture as it was. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { prefixText } from '../../src/core/base/units.ts';
import { type ReplayResult, startReplay } from '../../src/engine/replay.ts';
import { readTruth } from './captures.ts';
import {
  type Frame,
  frameBytes,
  linkLayers,
  type PlainCapture,
  readPlain,
  tunnelEnds,
  tunnels,
  type Wrapping,
  writeWrapped,
  writeWrappedNg,
} from './wrapped.ts';

type Rows = Readonly<Record<string, readonly [packets: number, ipBytes: number, l2Bytes: number]>>;

/** The clients of all generated captures, and the clients' ends of both tunnels. */
const clients = ['10.1.0.0/24', '2001:db8:a::/48'].map(prefixText);
const tunnelClients = ['192.0.2.1/32', '192.0.2.2/32', '2001:db8:1::/48', '2001:db8:2::/48'].map(
  prefixText,
);
const tables = { blocks: [...clients, ...tunnelClients], links: [] };

/** Behind tags, PPPoE and labels every frame is what it is without them. Writes its files into `folder`. */
export async function checkLinkLayers(t: Test, path: string, folder: string): Promise<void> {
  const capture = readPlain(readFileSync(path));
  const { counts: known } = await startReplay({ path, tables, withFrames: true }).result;
  t.ok((known?.classified.length ?? 0) > 0, 'there are frames to tell apart');
  t.ok((known?.rttUs.samples ?? 0) > 0, 'and round trips');
  for (const wrapping of linkLayers) {
    const { counts, end } = await replayWrapped(capture, wrapping, folder);
    t.equal(end, 'clean', wrapping.name);
    t.same(counts?.classified, known?.classified, `${wrapping.name}: each frame's class`);
    t.same(counts?.tcp, known?.tcp, `${wrapping.name}: the counts`);
    t.same(counts?.rttInsideUs, known?.rttInsideUs, `${wrapping.name}: round trips inside`);
    t.same(counts?.rttOutsideUs, known?.rttOutsideUs, `${wrapping.name}: round trips outside`);
    t.same(counts?.blockRtts, known?.blockRtts, `${wrapping.name}: round trips by block`);
    t.same(counts?.unparsed, {}, `${wrapping.name}: nothing is unparsed`);
    const sent = sumRows(capture, wrapping, (frame) => ({
      block: frame.isV6 ? '2001:db8:a::/48' : '10.1.0.0/24',
      isOutbound: isFromClient(frame),
      ipBytes: frame.ipBytes,
    }));
    t.same(rowsOf(counts), sent, `${wrapping.name}: bytes and packets of the block`);
  }
}

/** Of a capture before any loss: exactly the frames that the relay saw sent again. */
export async function checkTruth(
  t: Test,
  path: string,
  truthPath: string,
  folder: string,
): Promise<void> {
  const capture = readPlain(readFileSync(path));
  for (const wrapping of linkLayers) {
    const { counts } = await replayWrapped(capture, wrapping, folder);
    const found = counts?.retransmissions.map(({ frame }) => frame);
    t.same(found, readTruth(truthPath).pre_retrans_frames, `${wrapping.name}: the truth`);
  }
}

/** In a tunnel there are packets and bytes between its ends, and no session. */
export async function checkTunnels(t: Test, path: string, folder: string): Promise<void> {
  const capture = readPlain(readFileSync(path));
  for (const wrapping of tunnels) {
    const { counts, end } = await replayWrapped(capture, wrapping, folder);
    t.equal(end, 'clean', wrapping.name);
    const sent = sumRows(capture, wrapping, (frame) => {
      const { from, to } = tunnelEnds(frame);
      const isOutbound = from < to;
      const client = isOutbound ? from : to;
      const block = wrapping.family === 4 ? `192.0.2.${client}/32` : `2001:db8:${client}::/48`;
      return { block, isOutbound, ipBytes: frameBytes(frame, wrapping) - 14 };
    });
    t.same(rowsOf(counts), sent, `${wrapping.name}: bytes and packets by the outer addresses`);
    t.ok(Object.keys(sent).length > 2, `${wrapping.name}: of more than one tunnel`);
    t.match(counts, { tcp: { sessions: 0, segments: 0 }, classified: [], rttUs: { samples: 0 } });
    t.same(counts?.unparsed, {}, `${wrapping.name}: nothing is unparsed`);
  }
}

/** As pcap and as pcapng in turn: a difference between them would be one from the plain capture. */
async function replayWrapped(
  capture: PlainCapture,
  wrapping: Wrapping,
  folder: string,
): Promise<ReplayResult> {
  const path = join(folder, 'wrapped');
  const isNg = wrapping.name.length % 2 === 0;
  writeFileSync(path, (isNg ? writeWrappedNg : writeWrapped)(capture, wrapping));
  return startReplay({ path, tables, withFrames: true }).result;
}

const isFromClient = ({ ip, isV6 }: Frame): boolean =>
  isV6 ? ip.readUInt16BE(12) === 0xa : ip.readUInt16BE(12) === 0x0a01;

function sumRows(
  { frames }: PlainCapture,
  wrapping: Wrapping,
  rowOf: (frame: Frame) => { block: string; isOutbound: boolean; ipBytes: number },
): Rows {
  const sums: Record<string, readonly [number, number, number]> = {};
  for (const frame of frames) {
    const { block, isOutbound, ipBytes } = rowOf(frame);
    const key = `${block} ${isOutbound ? 'outbound' : 'inbound'}`;
    const [packets, ip, l2] = sums[key] ?? [0, 0, 0];
    sums[key] = [packets + 1, ip + ipBytes, l2 + frameBytes(frame, wrapping)];
  }
  return sums;
}

const rowsOf = (counts: ReplayResult['counts']): Rows =>
  Object.fromEntries(
    (counts?.blocks ?? []).map((row) => [
      `${row.block} ${row.direction}`,
      [row.packets, row.ipBytes, row.l2Bytes],
    ]),
  );
