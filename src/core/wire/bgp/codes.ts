/** Numbers of the protocol, with the names that their documents give them. */

export const messageType = {
  open: 1,
  update: 2,
  notification: 3,
  keepalive: 4,
  routeRefresh: 5,
} as const;

/** Bytes of marker, length and type (RFC 4271 section 4.1). */
export const headerLength = 19;
export const maxMessageLength = 4096;
/** RFC 8654; OPEN and KEEPALIVE stay at 4096. */
export const maxExtendedLength = 65535;
/** RFC 6793: stands for an AS number that two octets cannot hold. */
export const asTrans = 23456;

export const attributeType = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  ipv6ExtendedCommunities: 25,
  aigp: 26,
  largeCommunities: 32,
  onlyToCustomer: 35,
} as const;

export const attributeFlag = {
  optional: 0x80,
  transitive: 0x40,
  partial: 0x20,
  extendedLength: 0x10,
} as const;

export const capabilityCode = {
  multiprotocol: 1,
  routeRefresh: 2,
  extendedNextHop: 5,
  extendedMessage: 6,
  role: 9,
  gracefulRestart: 64,
  as4: 65,
  addPath: 69,
  enhancedRouteRefresh: 70,
} as const;

export const notificationCode = {
  messageHeader: 1,
  open: 2,
  update: 3,
  holdTimer: 4,
  stateMachine: 5,
  cease: 6,
  routeRefresh: 7,
} as const;

export const ceaseSubcode = {
  maxPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  configurationChange: 6,
  collision: 7,
  outOfResources: 8,
} as const;

const notificationNames: Readonly<
  Record<number, readonly [string, Readonly<Record<number, string>>]>
> = {
  1: [
    'Message Header Error',
    { 1: 'Connection Not Synchronized', 2: 'Bad Message Length', 3: 'Bad Message Type' },
  ],
  2: [
    'OPEN Message Error',
    {
      1: 'Unsupported Version Number',
      2: 'Bad Peer AS',
      3: 'Bad BGP Identifier',
      4: 'Unsupported Optional Parameter',
      6: 'Unacceptable Hold Time',
      7: 'Unsupported Capability',
      11: 'Role Mismatch',
    },
  ],
  3: [
    'UPDATE Message Error',
    {
      1: 'Malformed Attribute List',
      2: 'Unrecognized Well-known Attribute',
      3: 'Missing Well-known Attribute',
      4: 'Attribute Flags Error',
      5: 'Attribute Length Error',
      6: 'Invalid ORIGIN Attribute',
      8: 'Invalid NEXT_HOP Attribute',
      9: 'Optional Attribute Error',
      10: 'Invalid Network Field',
      11: 'Malformed AS_PATH',
    },
  ],
  4: ['Hold Timer Expired', {}],
  5: [
    'Finite State Machine Error',
    {
      1: 'Unexpected Message in OpenSent State',
      2: 'Unexpected Message in OpenConfirm State',
      3: 'Unexpected Message in Established State',
    },
  ],
  6: [
    'Cease',
    {
      1: 'Maximum Number of Prefixes Reached',
      2: 'Administrative Shutdown',
      3: 'Peer De-configured',
      4: 'Administrative Reset',
      5: 'Connection Rejected',
      6: 'Other Configuration Change',
      7: 'Connection Collision Resolution',
      8: 'Out of Resources',
      9: 'Hard Reset',
      10: 'BFD Down',
    },
  ],
  7: ['ROUTE-REFRESH Message Error', { 1: 'Invalid Message Length' }],
};

/** The IANA registry's name of a NOTIFICATION, such as `Cease / Administrative Shutdown`. */
export function notificationName(code: number, subcode: number): string {
  const entry = notificationNames[code];
  if (!entry) return `Error ${code}/${subcode}`;
  const [name, subcodes] = entry;
  if (subcode === 0) return name;
  return `${name} / ${subcodes[subcode] ?? `subcode ${subcode}`}`;
}

/** An address family of RFC 4760. headgate holds routes of IPv4 and IPv6 unicast, and ignores others. */
export type UnicastFamily = 4 | 6;
export const afiOf = (family: UnicastFamily): 1 | 2 => (family === 4 ? 1 : 2);
export const safiUnicast = 1;
export const familyOf = (afi: number, safi: number): UnicastFamily | undefined =>
  safi !== safiUnicast ? undefined : afi === 1 ? 4 : afi === 2 ? 6 : undefined;
