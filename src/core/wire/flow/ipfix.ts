import { err, ok, type Result } from '../../base/result.ts';
import type { Datagram } from './datagram.ts';
import type { FlowError } from './tally.ts';
import { decodeSets } from './templated.ts';

const headerBytes = 16;

/** IPFIX over UDP (RFC 7011): one message per datagram. */
export function decodeIpfix(datagram: Datagram): Result<void, FlowError> {
  const { bytes, view, domains } = datagram;
  if (bytes.length < headerBytes) return err({ code: 'short_read', offset: bytes.length });
  const length = view.getUint16(2);
  if (length < headerBytes || length > bytes.length) {
    return err({ code: 'short_read', offset: 2 });
  }
  const domain = domains.domain(`10/${view.getUint32(12)}`);
  if (!domain) return ok(undefined);
  const records = decodeSets(
    { ...datagram, form: 'ipfix', end: length, bootMs: undefined, domain },
    headerBytes,
  );
  domain.sequence.step(view.getUint32(8), records, datagram.tally);
  return ok(undefined);
}
