import { ByteWriter } from '../../base/bytes.ts';
import { parseAddress } from '../../base/prefix.ts';
import { assert } from '../../base/result.ts';
import { bgp4mp, mrtType } from './codes.ts';
import type { MrtEnds } from './decode.ts';

/** When something was recorded: whole seconds since the Unix epoch, and the microseconds beside them. */
export interface MrtTime {
  readonly timestampS: number;
  readonly microseconds: number;
}

/**
 * A received BGP message as a record of type BGP4MP_ET: what a session heard, for a bug report.
 * `hasPathIds`: the message is of a session with add-path (RFC 8050).
 */
export function encodeMrtMessage(
  time: MrtTime,
  ends: MrtEnds,
  message: Uint8Array,
  form: { readonly as4: boolean; readonly hasPathIds: boolean },
): Uint8Array {
  const subtype = form.hasPathIds
    ? form.as4
      ? bgp4mp.messageAs4AddPath
      : bgp4mp.messageAddPath
    : form.as4
      ? bgp4mp.messageAs4
      : bgp4mp.message;
  const body = encodeEnds(ends, form.as4).put(message).finish();
  return encodeRecord(time, subtype, body);
}

/** A change of a session's state, with the numbers of RFC 4271's states (Idle is 1). */
export function encodeMrtState(time: MrtTime, ends: MrtEnds, from: number, to: number): Uint8Array {
  return encodeRecord(
    time,
    bgp4mp.stateChangeAs4,
    encodeEnds(ends, true).u16(from).u16(to).finish(),
  );
}

function encodeEnds(ends: MrtEnds, as4: boolean): ByteWriter {
  const writer = new ByteWriter(128);
  for (const asn of [ends.peerAsn, ends.localAsn]) {
    if (as4) writer.u32(asn);
    else writer.u16(asn);
  }
  const peer = addressBytes(ends.peerAddress);
  const local = addressBytes(ends.localAddress);
  assert(peer.length === local.length, 'both ends are of one family');
  return writer
    .u16(0)
    .u16(peer.length === 4 ? 1 : 2)
    .put(peer)
    .put(local);
}

function encodeRecord(time: MrtTime, subtype: number, body: Uint8Array): Uint8Array {
  return new ByteWriter(body.length + 16)
    .u32(time.timestampS)
    .u16(mrtType.bgp4mpEt)
    .u16(subtype)
    .u32(body.length + 4)
    .u32(time.microseconds)
    .put(body)
    .finish();
}

function addressBytes(text: string): Uint8Array {
  const address = parseAddress(text);
  assert(address.ok, `${text} is an address`);
  return address.value.bytes;
}
