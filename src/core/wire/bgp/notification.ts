import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { decodeUtf8, encodeUtf8 } from '../../base/utf8.ts';
import {
  ceaseSubcode,
  headerLength,
  messageType,
  notificationCode,
  notificationName,
} from './codes.ts';
import { type BgpError, resetError } from './error.ts';
import { encodeMessage } from './header.ts';

export interface Notification {
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

export type RefreshKind = 'request' | 'begin' | 'end';

/** RFC 2918, with the markers of RFC 7313. */
export interface RouteRefresh {
  readonly afi: number;
  readonly safi: number;
  /** A number where RFC 7313 knows no such subtype: to be ignored. */
  readonly kind: RefreshKind | number;
}

const refreshKinds: readonly RefreshKind[] = ['request', 'begin', 'end'];

/** `bytes` is a whole message, at least 21 octets as framing checks. */
export function decodeNotification(bytes: Uint8Array): Notification {
  const reader = new ByteReader(bytes);
  reader.skip(headerLength);
  return { code: reader.u8(), subcode: reader.u8(), data: reader.take(reader.remaining).slice() };
}

export function encodeNotification(notification: Notification): Uint8Array {
  const { code, subcode, data } = notification;
  return encodeMessage(
    messageType.notification,
    new ByteWriter().u8(code).u8(subcode).put(data).finish(),
  );
}

export function decodeRouteRefresh(bytes: Uint8Array): Result<RouteRefresh, BgpError> {
  // RFC 7313 section 5: the data is the whole message.
  if (bytes.length !== headerLength + 4)
    return err(resetError('refresh_length', notificationCode.routeRefresh, 1, 16, bytes.slice()));
  const reader = new ByteReader(bytes);
  reader.skip(headerLength);
  const afi = reader.u16();
  const subtype = reader.u8();
  return ok({ afi, safi: reader.u8(), kind: refreshKinds[subtype] ?? subtype });
}

export function encodeRouteRefresh(refresh: RouteRefresh): Uint8Array {
  const subtype =
    typeof refresh.kind === 'number' ? refresh.kind : refreshKinds.indexOf(refresh.kind);
  const body = new ByteWriter().u16(refresh.afi).u8(subtype).u8(refresh.safi);
  return encodeMessage(messageType.routeRefresh, body.finish());
}

export const encodeKeepalive = (): Uint8Array =>
  encodeMessage(messageType.keepalive, new Uint8Array(0));

/** The reason that an operator gave with a shutdown or reset (RFC 9003), at most 255 octets of UTF-8. */
export function shutdownReason(notification: Notification): string | undefined {
  const { code, subcode, data } = notification;
  const hasReason =
    subcode === ceaseSubcode.administrativeShutdown || subcode === ceaseSubcode.administrativeReset;
  const length = data[0] ?? 0;
  if (code !== notificationCode.cease || !hasReason || length === 0 || length > data.length - 1)
    return undefined;
  return decodeUtf8(data.subarray(1, 1 + length));
}

/** Data of a shutdown or reset NOTIFICATION; a longer reason is cut between characters. */
export function encodeShutdownReason(reason: string): Uint8Array {
  let kept = '';
  let bytes: readonly number[] = [];
  for (const character of reason) {
    const next = encodeUtf8(kept + character);
    if (next.length > 255) break;
    kept += character;
    bytes = next;
  }
  return Uint8Array.from([bytes.length, ...bytes]);
}

/** One line for people: the registry's name and the reason given, if any. */
export function describeNotification(notification: Notification): string {
  const name = notificationName(notification.code, notification.subcode);
  const reason = shutdownReason(notification);
  return reason === undefined ? name : `${name}: ${JSON.stringify(reason)}`;
}
