import { err, type Result } from '../../base/result.ts';
import type { Datagram, Workspace } from './datagram.ts';
import { DomainTable, defaultLimits, type FlowLimits } from './domain.ts';
import { decodeIpfix } from './ipfix.ts';
import { decodeNetflow5 } from './netflow5.ts';
import { decodeNetflow9 } from './netflow9.ts';
import { type FlowSink, makeRecord } from './record.ts';
import { decodeSflow5 } from './sflow5.ts';
import { type FlowError, type FlowTally, makeTally } from './tally.ts';
import { makeScratch } from './template.ts';

/**
 * Decodes all that one exporter sends: NetFlow v5 and v9, IPFIX and sFlow v5, told apart by their first bytes.
 * One decoder per exporter address, since templates of one mean nothing for another; its memory is bounded by `limits`.
 */
export class FlowDecoder {
  readonly tally: FlowTally = makeTally();
  readonly #domains: DomainTable;
  readonly #work: Workspace = { scratch: makeScratch(), record: makeRecord() };

  constructor(limits: FlowLimits = defaultLimits) {
    this.#domains = new DomainTable(limits, this.tally);
  }

  /** `nowMs` is when the datagram arrived, Unix milliseconds: for template lifetimes. */
  decode(bytes: Uint8Array, nowMs: number, sink: FlowSink): Result<void, FlowError> {
    if (bytes.length < 4) return err({ code: 'short_read', offset: bytes.length });
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.tally.datagrams++;
    const datagram: Datagram = {
      bytes,
      view,
      nowMs,
      domains: this.#domains,
      work: this.#work,
      tally: this.tally,
      sink,
    };
    switch (view.getUint16(0)) {
      case 5:
        return decodeNetflow5(datagram);
      case 9:
        return decodeNetflow9(datagram);
      case 10:
        return decodeIpfix(datagram);
      case 0:
        // sFlow writes its version in four bytes.
        if (view.getUint16(2) === 5) return decodeSflow5(datagram);
        return err({ code: 'unknown_version', offset: 0 });
      default:
        return err({ code: 'unknown_version', offset: 0 });
    }
  }
}
