import { err, ok, type Result } from '../../base/result.ts';
import type { Datagram } from './datagram.ts';
import type { FlowError } from './tally.ts';
import { decodeSets } from './templated.ts';

const headerBytes = 20;
/** Uptime may seem to go back this far when datagrams overtake each other. */
const uptimeSlackMs = 60_000;

/** NetFlow version 9 (RFC 3954). */
export function decodeNetflow9(datagram: Datagram): Result<void, FlowError> {
  const { bytes, view, domains, tally } = datagram;
  if (bytes.length < headerBytes) return err({ code: 'short_read', offset: bytes.length });
  const uptimeMs = view.getUint32(4);
  const domain = domains.domain(`9/${view.getUint32(16)}`);
  if (!domain) return ok(undefined);
  // After a restart ids may mean other templates: the old ones would misread every record.
  if (uptimeMs + uptimeSlackMs < domain.uptimeMs) {
    domain.forget();
    tally.restarts++;
  }
  domain.uptimeMs = uptimeMs;
  domain.sequence.step(view.getUint32(12), 1, tally);
  // The header's record count is not needed and wrong in some exporters: the sets say it themselves.
  const bootMs = view.getUint32(8) * 1000 - uptimeMs;
  decodeSets({ ...datagram, form: 'netflow9', end: bytes.length, bootMs, domain }, headerBytes);
  return ok(undefined);
}
