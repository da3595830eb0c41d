import { err, ok, type Result } from '../../base/result.ts';
import type { Workspace } from './data-set.ts';
import type { DomainTable } from './domain.ts';
import type { FlowSink } from './record.ts';
import type { FlowError, FlowTally } from './tally.ts';
import { decodeSets } from './templated.ts';

const headerBytes = 16;

/** IPFIX over UDP (RFC 7011): one message per datagram. */
export function decodeIpfix(
  bytes: Uint8Array,
  view: DataView,
  nowMs: number,
  domains: DomainTable,
  work: Workspace,
  tally: FlowTally,
  sink: FlowSink,
): Result<void, FlowError> {
  if (bytes.length < headerBytes) return err({ code: 'short_read', offset: bytes.length });
  const length = view.getUint16(2);
  if (length < headerBytes || length > bytes.length) {
    return err({ code: 'short_read', offset: 2 });
  }
  const domain = domains.domain(`10/${view.getUint32(12)}`);
  if (!domain) return ok(undefined);
  const records = decodeSets(
    {
      form: 'ipfix',
      bytes,
      view,
      end: length,
      clock: { bootMs: undefined, nowMs },
      domain,
      domains,
      work,
      tally,
      sink,
    },
    headerBytes,
  );
  domain.sequence.step(view.getUint32(8), records, tally);
  return ok(undefined);
}
