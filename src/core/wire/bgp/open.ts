import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { formatAddress } from '../../base/prefix.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { asTrans, capabilityCode, headerLength, messageType, notificationCode } from './codes.ts';
import { type BgpError, resetError } from './error.ts';
import { encodeMessage } from './header.ts';

export type AddPathMode = 'receive' | 'send' | 'both';
export type Role = 'provider' | 'rs' | 'rs_client' | 'customer' | 'peer';

/** RFC 9234 section 4.1; the place is the value on the wire. */
export const roles: readonly Role[] = ['provider', 'rs', 'rs_client', 'customer', 'peer'];

export type Capability =
  | { readonly kind: 'multiprotocol'; readonly afi: number; readonly safi: number }
  | { readonly kind: 'route_refresh' }
  | { readonly kind: 'enhanced_route_refresh' }
  | { readonly kind: 'extended_message' }
  | { readonly kind: 'as4'; readonly asn: number }
  | { readonly kind: 'role'; readonly role: Role | number }
  | {
      readonly kind: 'graceful_restart';
      /** The sender has restarted (R bit). */
      readonly isRestarting: boolean;
      /** N bit of RFC 8538: a NOTIFICATION also starts graceful restart. */
      readonly withNotification: boolean;
      /** Seconds, 0 to 4095. */
      readonly restartTimeS: number;
      readonly families: ReadonlyArray<{
        readonly afi: number;
        readonly safi: number;
        readonly forwardingKept: boolean;
      }>;
    }
  | {
      readonly kind: 'add_path';
      readonly families: ReadonlyArray<{
        readonly afi: number;
        readonly safi: number;
        readonly mode: AddPathMode;
      }>;
    }
  | { readonly kind: 'unknown'; readonly code: number; readonly value: Uint8Array };

export interface Open {
  readonly version: number;
  /** The two-octet field; the real AS number is in the `as4` capability. */
  readonly asn: number;
  /** Seconds: 0 (no keepalives), or 3 and more. */
  readonly holdTimeS: number;
  /** BGP identifier, dotted decimal. */
  readonly routerId: string;
  readonly capabilities: readonly Capability[];
}

/** `bytes` is a whole message. Checks form only; whether the values suit us is the session's to say. */
export function decodeOpen(bytes: Uint8Array): Result<Open, BgpError> {
  const reader = new ByteReader(bytes);
  reader.skip(headerLength);
  const version = reader.u8();
  if (version !== 4 && !reader.isShort)
    return err(openError('version', 1, headerLength, Uint8Array.of(0, 4)));
  const asn = reader.u16();
  const holdTimeS = reader.u16();
  const routerId = formatAddress(reader.take(4));
  let parametersLength = reader.u8();
  let lengthOctets: 1 | 2 = 1;
  // RFC 9072: both octets 255 announce extended optional parameters, whatever their sum.
  if (parametersLength === 255 && reader.remaining >= 3 && reader.bytes[reader.offset] === 255) {
    reader.skip(1);
    parametersLength = reader.u16();
    lengthOctets = 2;
  }
  if (reader.isShort || reader.remaining !== parametersLength)
    return err(openError('parameters_length', 0, reader.position));
  const capabilities: Capability[] = [];
  while (reader.remaining > 0) {
    const at = reader.position;
    const type = reader.u8();
    const parameter = reader.sub(lengthOctets === 2 ? reader.u16() : reader.u8());
    if (reader.isShort) return err(openError('parameter_short', 0, at));
    if (type !== 2) return err(openError('parameter_type', 4, at));
    const error = decodeCapabilities(parameter, capabilities);
    if (error) return err(error);
  }
  return ok({ version, asn, holdTimeS, routerId, capabilities });
}

export function encodeOpen(open: Open): Uint8Array {
  const capabilities = new ByteWriter();
  for (const capability of open.capabilities) encodeCapability(capabilities, capability);
  const value = capabilities.finish();
  const body = new ByteWriter()
    .u8(open.version)
    .u16(open.asn > 0xffff ? asTrans : open.asn)
    .u16(open.holdTimeS)
    .put(Uint8Array.from(open.routerId.split('.').map(Number)));
  if (value.length === 0) body.u8(0);
  else if (value.length <= 253)
    body
      .u8(value.length + 2)
      .u8(2)
      .u8(value.length)
      .put(value);
  else
    body
      .u8(255)
      .u8(255)
      .u16(value.length + 3)
      .u8(2)
      .u16(value.length)
      .put(value);
  return encodeMessage(messageType.open, body.finish());
}

const openError = (code: string, subcode: number, offset: number, data?: Uint8Array) =>
  resetError(code, notificationCode.open, subcode, offset, data);

function decodeCapabilities(reader: ByteReader, into: Capability[]): BgpError | undefined {
  while (reader.remaining > 0) {
    const at = reader.position;
    const code = reader.u8();
    const value = reader.sub(reader.u8());
    if (reader.isShort) return openError('capability_short', 0, at);
    const capability = decodeCapability(code, value);
    if (!capability || value.isShort) return openError('capability_length', 0, at);
    into.push(capability);
  }
  return undefined;
}

/** Undefined when the value has not the length that its code requires. */
function decodeCapability(code: number, value: ByteReader): Capability | undefined {
  const length = value.remaining;
  switch (code) {
    case capabilityCode.multiprotocol: {
      if (length !== 4) return undefined;
      const afi = value.u16();
      value.skip(1);
      return { kind: 'multiprotocol', afi, safi: value.u8() };
    }
    case capabilityCode.routeRefresh:
      return length === 0 ? { kind: 'route_refresh' } : undefined;
    case capabilityCode.enhancedRouteRefresh:
      return length === 0 ? { kind: 'enhanced_route_refresh' } : undefined;
    case capabilityCode.extendedMessage:
      return length === 0 ? { kind: 'extended_message' } : undefined;
    case capabilityCode.as4:
      return length === 4 ? { kind: 'as4', asn: value.u32() } : undefined;
    case capabilityCode.role: {
      if (length !== 1) return undefined;
      const role = value.u8();
      return { kind: 'role', role: roles[role] ?? role };
    }
    case capabilityCode.gracefulRestart:
      return decodeGracefulRestart(value);
    case capabilityCode.addPath:
      return decodeAddPath(value);
    default:
      return { kind: 'unknown', code, value: value.take(length).slice() };
  }
}

function decodeGracefulRestart(value: ByteReader): Capability | undefined {
  if (value.remaining < 2 || (value.remaining - 2) % 4 !== 0) return undefined;
  const head = value.u16();
  const families: { afi: number; safi: number; forwardingKept: boolean }[] = [];
  while (value.remaining > 0) {
    const afi = value.u16();
    const safi = value.u8();
    families.push({ afi, safi, forwardingKept: (value.u8() & 0x80) !== 0 });
  }
  return {
    kind: 'graceful_restart',
    isRestarting: (head & 0x8000) !== 0,
    withNotification: (head & 0x4000) !== 0,
    restartTimeS: head & 0xfff,
    families,
  };
}

function decodeAddPath(value: ByteReader): Capability | undefined {
  if (value.remaining % 4 !== 0) return undefined;
  const families: { afi: number; safi: number; mode: AddPathMode }[] = [];
  while (value.remaining > 0) {
    const afi = value.u16();
    const safi = value.u8();
    const mode = addPathModes[value.u8()];
    // RFC 7911 section 4: an entry with another value is ignored.
    if (mode) families.push({ afi, safi, mode });
  }
  return { kind: 'add_path', families };
}

const addPathModes: Readonly<Record<number, AddPathMode>> = { 1: 'receive', 2: 'send', 3: 'both' };
const addPathValue = { receive: 1, send: 2, both: 3 } as const;

function encodeCapability(writer: ByteWriter, capability: Capability): void {
  const value = new ByteWriter();
  const code = encodeCapabilityValue(value, capability);
  const bytes = value.finish();
  writer.u8(code).u8(bytes.length).put(bytes);
}

function encodeCapabilityValue(value: ByteWriter, capability: Capability): number {
  switch (capability.kind) {
    case 'multiprotocol':
      value.u16(capability.afi).u8(0).u8(capability.safi);
      return capabilityCode.multiprotocol;
    case 'route_refresh':
      return capabilityCode.routeRefresh;
    case 'enhanced_route_refresh':
      return capabilityCode.enhancedRouteRefresh;
    case 'extended_message':
      return capabilityCode.extendedMessage;
    case 'as4':
      value.u32(capability.asn);
      return capabilityCode.as4;
    case 'role':
      value.u8(
        typeof capability.role === 'number' ? capability.role : roles.indexOf(capability.role),
      );
      return capabilityCode.role;
    case 'graceful_restart': {
      const flags =
        (capability.isRestarting ? 0x8000 : 0) | (capability.withNotification ? 0x4000 : 0);
      value.u16(flags | (capability.restartTimeS & 0xfff));
      for (const { afi, safi, forwardingKept } of capability.families)
        value
          .u16(afi)
          .u8(safi)
          .u8(forwardingKept ? 0x80 : 0);
      return capabilityCode.gracefulRestart;
    }
    case 'add_path':
      for (const { afi, safi, mode } of capability.families)
        value.u16(afi).u8(safi).u8(addPathValue[mode]);
      return capabilityCode.addPath;
    case 'unknown':
      value.put(capability.value);
      return capability.code;
  }
}
