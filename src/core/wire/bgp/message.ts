import { ok, type Result, unreachable } from '../../base/result.ts';
import type { AttributeContext } from './attributes.ts';
import { messageType } from './codes.ts';
import type { BgpError } from './error.ts';
import type { Frame } from './framing.ts';
import {
  decodeNotification,
  decodeRouteRefresh,
  encodeKeepalive,
  encodeNotification,
  encodeRouteRefresh,
  type Notification,
  type RouteRefresh,
} from './notification.ts';
import { decodeOpen, encodeOpen, type Open } from './open.ts';
import { type DecodedUpdate, decodeUpdate, encodeUpdate } from './update.ts';

export type Message =
  | { readonly kind: 'open'; readonly open: Open }
  | { readonly kind: 'update'; readonly decoded: DecodedUpdate }
  | { readonly kind: 'notification'; readonly notification: Notification }
  | { readonly kind: 'keepalive' }
  | { readonly kind: 'route_refresh'; readonly refresh: RouteRefresh };

/** Decodes a frame whose header `MessageSplitter` has checked. */
export function decodeMessage(frame: Frame, context: AttributeContext): Result<Message, BgpError> {
  const { bytes, type } = frame;
  if (type === messageType.update) {
    const decoded = decodeUpdate(bytes, context);
    return decoded.ok ? ok({ kind: 'update', decoded: decoded.value }) : decoded;
  }
  if (type === messageType.open) {
    const open = decodeOpen(bytes);
    return open.ok ? ok({ kind: 'open', open: open.value }) : open;
  }
  if (type === messageType.notification)
    return ok({ kind: 'notification', notification: decodeNotification(bytes) });
  if (type === messageType.routeRefresh) {
    const refresh = decodeRouteRefresh(bytes);
    return refresh.ok ? ok({ kind: 'route_refresh', refresh: refresh.value }) : refresh;
  }
  return ok({ kind: 'keepalive' });
}

export function encodeAnyMessage(message: Message, context: AttributeContext): Uint8Array {
  switch (message.kind) {
    case 'open':
      return encodeOpen(message.open);
    case 'update':
      return encodeUpdate(message.decoded.update, context);
    case 'notification':
      return encodeNotification(message.notification);
    case 'keepalive':
      return encodeKeepalive();
    case 'route_refresh':
      return encodeRouteRefresh(message.refresh);
    default:
      return unreachable(message);
  }
}
