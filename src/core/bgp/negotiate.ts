import type { Asn } from '../base/units.ts';
import {
  afiOf,
  asTrans,
  familyOf,
  notificationCode,
  safiUnicast,
  type UnicastFamily,
} from '../wire/bgp/codes.ts';
import { type BgpError, resetError } from '../wire/bgp/error.ts';
import type { AddPathMode, Capability, Open, Role } from '../wire/bgp/open.ts';

/** What one side brings into a session. */
export interface SessionConfig {
  readonly localAsn: Asn;
  readonly peerAsn: Asn;
  /** Our BGP identifier, dotted decimal. */
  readonly routerId: string;
  /** Seconds, 0 or 3 to 65535. */
  readonly holdTimeS: number;
  readonly isPassive: boolean;
  readonly families: readonly UnicastFamily[];
  readonly addPath: boolean;
  /** Seconds, 1 to 4095; 0 leaves graceful restart out. */
  readonly gracefulRestartS: number;
  /** Longest time, seconds, that the peer's routes are kept after its session was lost, whatever it asks. */
  readonly staleMaxS: number;
  readonly role?: Role;
}

/** What both sides agreed on. */
export interface Negotiated {
  readonly as4: boolean;
  readonly isInternal: boolean;
  readonly peerRouterId: string;
  /** 0: no hold timer, no keepalives. */
  readonly holdTimeS: number;
  readonly families: readonly UnicastFamily[];
  readonly addPathReceive: { readonly 4: boolean; readonly 6: boolean };
  readonly addPathSend: { readonly 4: boolean; readonly 6: boolean };
  readonly extendedMessages: boolean;
  readonly routeRefresh: boolean;
  readonly enhancedRefresh: boolean;
  readonly peerRole?: Role;
  readonly gracefulRestart?: {
    /** Seconds that the peer may take to come back, cut to our own limit. */
    readonly restartTimeS: number;
    readonly isPeerRestarting: boolean;
    /** Both accept that a NOTIFICATION keeps routes too (RFC 8538). */
    readonly withNotification: boolean;
    /** Families whose forwarding the peer has kept; of others its old routes go at once. */
    readonly forwardingKept: readonly UnicastFamily[];
  };
}

/** Our OPEN. `isRestarting`: our process is new and may have had routes at the peer (RFC 4724, R bit). */
export function buildOpen(config: SessionConfig, isRestarting: boolean): Open {
  const families = config.families.map((family) => ({ afi: afiOf(family), safi: safiUnicast }));
  const mode: AddPathMode = 'both';
  const capabilities: Capability[] = [
    ...families.map((family) => ({ kind: 'multiprotocol' as const, ...family })),
    { kind: 'route_refresh' },
    { kind: 'enhanced_route_refresh' },
    { kind: 'extended_message' },
    { kind: 'as4', asn: config.localAsn },
  ];
  if (config.addPath)
    capabilities.push({
      kind: 'add_path',
      families: families.map((family) => ({ ...family, mode })),
    });
  if (config.gracefulRestartS > 0) {
    capabilities.push({
      kind: 'graceful_restart',
      isRestarting,
      withNotification: false,
      restartTimeS: config.gracefulRestartS,
      // Packets do not pass through this process: forwarding is kept whatever becomes of it.
      families: families.map((family) => ({ ...family, forwardingKept: true })),
    });
  }
  if (config.role && config.localAsn !== config.peerAsn)
    capabilities.push({ kind: 'role', role: config.role });
  return {
    version: 4,
    asn: config.localAsn > 0xffff ? asTrans : config.localAsn,
    holdTimeS: config.holdTimeS,
    routerId: config.routerId,
    capabilities,
  };
}

/** The peer's real AS number: of the capability where there is one (RFC 6793). */
export function asnOf(open: Open): number {
  const as4 = open.capabilities.find((capability) => capability.kind === 'as4');
  return as4?.kind === 'as4' ? as4.asn : open.asn;
}

const openError = (code: string, subcode: number, offset: number, data?: Uint8Array) =>
  resetError(code, notificationCode.open, subcode, offset, data);

/** Whether our end keeps the connection that it made when both made one (RFC 4271 section 6.8, RFC 6286 section 2.3). */
export function isAbove({ routerId, localAsn }: SessionConfig, theirs: Open): boolean {
  const value = (text: string) =>
    text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return (value(routerId) - value(theirs.routerId) || localAsn - asnOf(theirs)) > 0;
}

/** What is unacceptable in the peer's OPEN (RFC 4271 section 6.2, RFC 6286, RFC 9234), if anything. */
export function checkOpen(open: Open, config: SessionConfig): BgpError | undefined {
  const asn = asnOf(open);
  if (asn !== config.peerAsn || asn === 0) return openError('peer_as', 2, 20);
  const isInternal = config.localAsn === config.peerAsn;
  if (open.routerId === '0.0.0.0' || (isInternal && open.routerId === config.routerId))
    return openError('router_id', 3, 24);
  if (open.holdTimeS === 1 || open.holdTimeS === 2) return openError('hold_time', 6, 22);
  if (commonFamilies(open, config).length === 0) return openError('no_common_family', 7, 28);
  if (!isInternal && config.role && !isRolePair(config.role, open))
    return openError('role_mismatch', 11, 28);
  return undefined;
}

export function negotiate(open: Open, config: SessionConfig): Negotiated {
  const has = (kind: Capability['kind']) => open.capabilities.some((c) => c.kind === kind);
  const families = commonFamilies(open, config);
  const peerRole = rolesOf(open)[0];
  const gracefulRestart = negotiateRestart(open, config);
  return {
    as4: has('as4'),
    isInternal: config.localAsn === config.peerAsn,
    peerRouterId: open.routerId,
    holdTimeS: Math.min(open.holdTimeS, config.holdTimeS),
    families,
    addPathReceive: addPathOf(open, config, families, 'send'),
    addPathSend: addPathOf(open, config, families, 'receive'),
    extendedMessages: has('extended_message'),
    routeRefresh: has('route_refresh'),
    enhancedRefresh: has('enhanced_route_refresh'),
    ...(typeof peerRole === 'string' ? { peerRole } : {}),
    ...(gracefulRestart ? { gracefulRestart } : {}),
  };
}

/** What was agreed on, as words for people. */
export function describeNegotiated(agreed: Negotiated): readonly string[] {
  const { addPathReceive: receive, addPathSend: send } = agreed;
  return [
    ...agreed.families.map((family) => `ipv${family}`),
    ...(agreed.as4 ? ['as4'] : []),
    ...(receive[4] || receive[6] ? ['add_path_receive'] : []),
    ...(send[4] || send[6] ? ['add_path_send'] : []),
    ...(agreed.extendedMessages ? ['extended_message'] : []),
    ...(agreed.routeRefresh ? ['route_refresh'] : []),
    ...(agreed.enhancedRefresh ? ['enhanced_route_refresh'] : []),
    ...(agreed.gracefulRestart ? ['graceful_restart'] : []),
    ...(agreed.peerRole ? [`role_${agreed.peerRole}`] : []),
  ];
}

/** A peer without any multiprotocol capability speaks IPv4 unicast (RFC 4760 section 8). */
function commonFamilies(open: Open, config: SessionConfig): readonly UnicastFamily[] {
  const theirs: (UnicastFamily | undefined)[] = open.capabilities.flatMap((c) =>
    c.kind === 'multiprotocol' ? [familyOf(c.afi, c.safi)] : [],
  );
  const isPlain = !open.capabilities.some(({ kind }) => kind === 'multiprotocol');
  return config.families.filter((family) => (isPlain ? family === 4 : theirs.includes(family)));
}

function addPathOf(
  open: Open,
  config: SessionConfig,
  families: readonly UnicastFamily[],
  needed: 'receive' | 'send',
): { readonly 4: boolean; readonly 6: boolean } {
  const agreed = { 4: false, 6: false };
  if (!config.addPath) return agreed;
  for (const capability of open.capabilities) {
    if (capability.kind !== 'add_path') continue;
    for (const { afi, safi, mode } of capability.families) {
      const family = familyOf(afi, safi);
      if (family && families.includes(family)) agreed[family] = mode === needed || mode === 'both';
    }
  }
  return agreed;
}

function negotiateRestart(open: Open, config: SessionConfig): Negotiated['gracefulRestart'] {
  if (config.gracefulRestartS === 0) return undefined;
  const theirs = open.capabilities.find((c) => c.kind === 'graceful_restart');
  if (theirs?.kind !== 'graceful_restart') return undefined;
  return {
    restartTimeS: Math.min(theirs.restartTimeS, config.staleMaxS),
    isPeerRestarting: theirs.isRestarting,
    withNotification: false,
    forwardingKept: theirs.families.flatMap(({ afi, safi, forwardingKept }) => {
      const family = familyOf(afi, safi);
      return family && forwardingKept ? [family] : [];
    }),
  };
}

const rolesOf = (open: Open): readonly (Role | number)[] =>
  open.capabilities.flatMap((c) => (c.kind === 'role' ? [c.role] : []));

const counterparts: Readonly<Record<Role, Role>> = {
  provider: 'customer',
  customer: 'provider',
  rs: 'rs_client',
  rs_client: 'rs',
  peer: 'peer',
};

/** A peer that tells no role is taken (RFC 9234 section 4.2 without strict mode); one that tells two is not. */
function isRolePair(ours: Role, open: Open): boolean {
  const theirs = new Set(rolesOf(open));
  return theirs.size === 0 || (theirs.size === 1 && theirs.has(counterparts[ours]));
}
