import type { ByteReader } from '../../base/bytes.ts';
import { isPlace, Slot, slotCount, slotFor } from './element.ts';

/** Announces a variable-length element (RFC 7011 section 7); some NetFlow v9 exporters (H3C) use it too. */
const variable = 0xffff;
/** The widest real templates have about 100 fields; a hostile one costs at most this much. */
export const maxFields = 256;

export interface TemplateField {
  readonly enterprise: number;
  readonly element: number;
  readonly length: number;
}

/** A template, compiled: which bytes of a record go to which slot. */
export interface Template {
  readonly id: number;
  readonly isOptions: boolean;
  /** Bytes of one record; undefined when a field has variable length. */
  readonly recordLength: number | undefined;
  /** The least bytes that a record can have. */
  readonly recordLengthMin: number;
  /** Triples (slot, offset in the record, length): of the wanted fields alone, or of all when lengths vary. */
  readonly steps: Int32Array;
  /** Tells a redefinition from the usual repetition. */
  readonly fingerprint: string;
  /** When it was last announced, milliseconds. */
  seenMs: number;
}

/** Reads `count` field specifiers; the enterprise bit exists in IPFIX alone (RFC 7011 section 3.2). */
export function decodeFields(
  reader: ByteReader,
  count: number,
  form: 'netflow9' | 'ipfix',
): TemplateField[] {
  const fields: TemplateField[] = [];
  for (let i = 0; i < count && !reader.isShort; i++) {
    const type = reader.u16();
    const length = reader.u16();
    const isEnterprise = form === 'ipfix' && (type & 0x8000) !== 0;
    const enterprise = isEnterprise ? reader.u32() : 0;
    fields.push({ enterprise, element: isEnterprise ? type & 0x7fff : type, length });
  }
  return fields;
}

/** `scopes` fields at the head are not read in NetFlow v9, where their numbers mean something else. */
export function compileTemplate(
  id: number,
  fields: readonly TemplateField[],
  options: {
    readonly isOptions: boolean;
    readonly scopesSkipped: number;
    readonly nowMs: number;
  },
): Template {
  const hasVariable = fields.some((field) => field.length === variable);
  const steps: number[] = [];
  let offset = 0;
  for (const [index, field] of fields.entries()) {
    const isVariable = hasVariable && field.length === variable;
    const slot =
      index < options.scopesSkipped || isVariable
        ? Slot.none
        : slotFor(field.enterprise, field.element, field.length);
    if (slot !== Slot.none || hasVariable) {
      steps.push(slot, offset, isVariable ? variable : field.length);
    }
    offset += isVariable ? 1 : field.length;
  }
  return {
    id,
    isOptions: options.isOptions,
    recordLength: hasVariable ? undefined : offset,
    recordLengthMin: offset,
    steps: Int32Array.from(steps),
    fingerprint: fields.map((f) => `${f.enterprise}.${f.element}.${f.length}`).join(),
    seenMs: options.nowMs,
  };
}

/** Where a record is read to: one number per slot, 0 where the template lacks it. */
export const makeScratch = (): Float64Array => new Float64Array(slotCount);

/**
 * Reads one record at `at` into `scratch`: the value of each wanted field, or for addresses its offset plus one.
 * Returns the offset behind the record, or -1 when it does not fit before `end`.
 */
export function readRecord(
  template: Template,
  view: DataView,
  at: number,
  end: number,
  scratch: Float64Array,
): number {
  scratch.fill(0);
  const { steps, recordLength } = template;
  if (recordLength === undefined) return readVariable(template, view, at, end, scratch);
  if (at + recordLength > end) return -1;
  for (let i = 0; i < steps.length; i += 3) {
    const slot = steps[i] ?? 0;
    const place = at + (steps[i + 1] ?? 0);
    scratch[slot] = isPlaceSlot[slot] ? place + 1 : readUint(view, place, steps[i + 2] ?? 0);
  }
  return at + recordLength;
}

/** Big-endian unsigned integer of 0 to 8 bytes; beyond 2^53 it is rounded. */
export function readUint(view: DataView, at: number, length: number): number {
  switch (length) {
    case 4:
      return view.getUint32(at);
    case 2:
      return view.getUint16(at);
    case 1:
      return view.getUint8(at);
    case 8:
      return view.getUint32(at) * 4294967296 + view.getUint32(at + 4);
    default: {
      let value = 0;
      for (let i = 0; i < length; i++) value = value * 256 + view.getUint8(at + i);
      return value;
    }
  }
}

const isPlaceSlot: readonly boolean[] = Array.from({ length: slotCount }, (_, slot) =>
  isPlace(slot),
);

function readVariable(
  template: Template,
  view: DataView,
  start: number,
  end: number,
  scratch: Float64Array,
): number {
  const { steps } = template;
  let at = start;
  for (let i = 0; i < steps.length; i += 3) {
    const slot = steps[i] ?? 0;
    let length = steps[i + 2] ?? 0;
    if (length === variable) {
      if (at + 1 > end) return -1;
      length = view.getUint8(at++);
      if (length === 255) {
        if (at + 2 > end) return -1;
        length = view.getUint16(at);
        at += 2;
      }
    }
    if (at + length > end) return -1;
    if (slot !== Slot.none) {
      scratch[slot] = isPlaceSlot[slot] ? at + 1 : readUint(view, at, length);
    }
    at += length;
  }
  return at;
}
