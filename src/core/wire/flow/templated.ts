import { ByteReader } from '../../base/bytes.ts';
import { decodeDataSet } from './data-set.ts';
import type { TemplatedDatagram, TemplatedForm } from './datagram.ts';
import { compileTemplate, decodeFields, maxFields } from './template.ts';

/** Set ids of the two protocols (RFC 3954 section 5, RFC 7011 section 3.3.2). */
const setIds = {
  netflow9: { template: 0, options: 1 },
  ipfix: { template: 2, options: 3 },
} as const;

/**
 * Walks the sets from `at`. Returns the number of data records, or undefined when a set of an unknown
 * template made it uncountable. A broken set ends the datagram: what came before it stands.
 */
export function decodeSets(datagram: TemplatedDatagram, at: number): number | undefined {
  const { view, end, tally, domains, domain, nowMs } = datagram;
  const ids = setIds[datagram.form];
  let records = 0;
  let isCountable = true;
  let next = at;
  while (end - next >= 4) {
    const id = view.getUint16(next);
    const length = view.getUint16(next + 2);
    if (length < 4 || next + length > end) {
      // Trailing zero padding of the datagram is not a set.
      if (id !== 0 || length !== 0) tally.skipped.set_truncated++;
      return undefined;
    }
    const setEnd = next + length;
    if (id === ids.template || id === ids.options) {
      learnTemplates(datagram, next + 4, setEnd, id === ids.options);
    } else if (id < 256) {
      tally.skipped.reserved_set++;
    } else {
      const template = domains.template(domain, id, nowMs);
      if (template) {
        records += decodeDataSet(template, datagram, next + 4, setEnd);
      } else {
        tally.skipped.unknown_template++;
        isCountable = false;
      }
    }
    next = setEnd;
  }
  return isCountable ? records : undefined;
}

function learnTemplates(
  datagram: TemplatedDatagram,
  at: number,
  end: number,
  isOptions: boolean,
): void {
  const { form, bytes, tally, domain, domains, nowMs } = datagram;
  const reader = new ByteReader(bytes.subarray(at, end), at);
  while (reader.remaining >= 4) {
    const id = reader.u16();
    const head = isOptions ? optionsHead(reader, form) : { fields: reader.u16(), scopes: 0 };
    // Padding after the last template, at most three bytes wide in practice but allowed to be more.
    if (id === 0 && head.fields === 0) return;
    if (id < 256) {
      // IPFIX withdraws all templates by naming the set's own id with no fields (RFC 7011 section 8.1).
      if (form === 'ipfix' && head.fields === 0) domain.templates.clear();
      else tally.skipped.reserved_set++;
      continue;
    }
    if (head.fields === 0) {
      if (form === 'ipfix') domain.templates.delete(id);
      else tally.skipped.template_empty++;
      continue;
    }
    if (head.fields > maxFields) {
      tally.skipped.template_too_wide++;
      return;
    }
    const fields = decodeFields(reader, head.fields, form);
    if (reader.isShort) {
      tally.skipped.set_truncated++;
      return;
    }
    const template = compileTemplate(id, fields, {
      isOptions,
      scopesSkipped: form === 'netflow9' ? head.scopes : 0,
      nowMs,
    });
    // A record of no bytes would repeat for ever.
    if (template.recordLengthMin === 0) tally.skipped.template_empty++;
    else domains.learn(domain, template);
  }
}

/** NetFlow v9 gives the lengths of scope and option fields in bytes, IPFIX their numbers. */
function optionsHead(reader: ByteReader, form: TemplatedForm): { fields: number; scopes: number } {
  const first = reader.u16();
  if (form === 'ipfix') {
    // A withdrawal has no scope count.
    const scopes = first === 0 ? 0 : reader.u16();
    return { fields: first, scopes };
  }
  const options = reader.u16();
  return { fields: (first >> 2) + (options >> 2), scopes: first >> 2 };
}
