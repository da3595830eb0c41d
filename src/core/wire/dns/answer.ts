import { type Address, makePrefix, type Prefix } from '../../base/prefix.ts';
import { fnv1aText } from './choice.ts';
import { dnssecOk, ednsOption, flag, rcode, rrClass, rrType } from './codes.ts';
import { checkCookie } from './cookie.ts';
import { MessageWriter } from './message-writer.ts';
import { nameKey, parentKey, type WireName } from './name.ts';
import { decodeQuery, type Edns, type Query } from './query.ts';
import { RateLimit, type RateLimitPolicy } from './rate-limit.ts';
import { type Granularity, networkOf, type SteeredSets, type Steering, steer } from './steering.ts';
import { makeSet, type RrSet, type Zone, type ZoneNode } from './zone.ts';

/** All that answers depend on beside the query. Immutable: a new plan or a changed health is a new table. */
export interface AnswerTable {
  /** Zones by the key of their apex. */
  readonly zones: ReadonlyMap<string, Zone>;
  /** Steered names by key; each lies in one of the zones and has no address records there. */
  readonly steered: ReadonlyMap<string, SteeredSets>;
  readonly steering: Steering;
}

export interface AnswerPolicy {
  readonly granularity: Granularity;
  /** 16 octets; undefined answers no cookies. */
  readonly cookieSecret?: Uint8Array;
  /** Whether client subnets count; if not, they are answered with scope 0. */
  readonly clientSubnet: boolean;
  readonly rateLimit: RateLimitPolicy;
}

export interface Asker {
  readonly address: Address;
  readonly transport: 'udp' | 'tcp';
}

/** Largest UDP answer: fits every path's MTU, no fragments (RFC 9715). */
export const udpAnswerMax = 1232;

/** What became of queries, by reason. */
export const outcomes = [
  'answered',
  'steered',
  'nodata',
  'nxdomain',
  'referral',
  'refused',
  'formerr',
  'notimp',
  'badvers',
  'truncated',
  'ignored_too_short',
  'ignored_is_response',
  'limited_dropped',
  'limited_slipped',
] as const;
export type Outcome = (typeof outcomes)[number];

/**
 * Answers queries from a table: authoritative, without recursion. Pure but for its rate limit's
 * memory and its counters; the time is given with each query.
 */
export class Answerer {
  readonly counts: Record<Outcome, number>;
  readonly #policy: AnswerPolicy;
  readonly #writer: MessageWriter;
  readonly #limit: RateLimit;
  readonly #opt = new Uint8Array(64);
  #table: AnswerTable;
  #flags = 0;
  #rcode = 0;

  /** `out` receives every answer; 65,535 octets let TCP answers be as long as they may. */
  constructor(policy: AnswerPolicy, table: AnswerTable, out: Uint8Array) {
    this.#policy = policy;
    this.#table = table;
    this.#writer = new MessageWriter(out);
    this.#limit = new RateLimit(policy.rateLimit);
    // The entries are the keys of Outcome by construction.
    this.counts = Object.fromEntries(outcomes.map((name) => [name, 0])) as Record<Outcome, number>;
  }

  /** What answers are made from, from the next query on. */
  publish(table: AnswerTable): void {
    this.#table = table;
  }

  /** Writes the answer to `bytes` and returns its length; 0 is silence. Never throws. `nowMs` is Unix time. */
  answer(bytes: Uint8Array, asker: Asker, nowMs: number): number {
    const query = decodeQuery(bytes);
    const network = networkOf(asker.address, this.#policy.granularity);
    if (!query.ok) {
      const { reaction, code, questionEnd, hasEdns } = query.error;
      if (reaction === 'silence') {
        this.counts[code === 'too_short' ? 'ignored_too_short' : 'ignored_is_response']++;
        return 0;
      }
      const optLength = hasEdns ? this.#writeOpt(false, 0) : 0;
      this.#writer.begin(bytes, questionEnd, udpAnswerMax);
      this.#rcode = query.error.rcode;
      const outcome = query.error.rcode === rcode.NOTIMP ? 'notimp' : 'formerr';
      // The opcode goes back as it came (RFC 1035 section 4.1.1).
      this.#flags = ((bytes[2] ?? 0) & 0x79) << 8;
      return this.#send(outcome, questionEnd, optLength, { asker, network, nowMs, subject: 1 });
    }
    return this.#answerQuery(bytes, query.value, asker, network, nowMs);
  }

  #answerQuery(bytes: Uint8Array, query: Query, asker: Asker, network: Prefix, nowMs: number) {
    const { edns, questionEnd } = query;
    const { cookieSecret } = this.#policy;
    const verdict =
      edns?.cookie && cookieSecret
        ? checkCookie(edns.cookie, asker.address.bytes, cookieSecret, Math.floor(nowMs / 1000))
        : undefined;
    const client =
      edns?.subnet && edns.subnet.prefix.length > 0 && this.#policy.clientSubnet
        ? networkOf(edns.subnet.prefix, this.#policy.granularity)
        : undefined;

    const asked = edns ? Math.min(edns.udpSize, udpAnswerMax) : 512;
    const limit = asker.transport === 'tcp' ? 65_535 : asked;
    this.#flags = query.flags & flag.RD;
    this.#rcode = rcode.NOERROR;
    // The OPT record's room is kept free while the other records are written.
    let optLength = edns ? this.#writeOpt(edns.wantsDnssec, 0, edns, 0, verdict?.answer) : 0;
    this.#writer.begin(bytes, questionEnd, limit - optLength);

    let outcome: Outcome;
    if (edns && edns.version !== 0) {
      optLength = this.#writeOpt(edns.wantsDnssec, rcode.BADVERS >> 4);
      outcome = 'badvers';
    } else {
      outcome = this.#resolve(query, client ?? network);
      if (edns?.subnet && outcome === 'steered')
        optLength = this.#writeOpt(edns.wantsDnssec, 0, edns, client?.length ?? 0, verdict?.answer);
    }
    if (this.#writer.isFull) {
      this.#writer.rewind(questionEnd);
      this.#flags |= flag.TC;
      this.counts.truncated++;
    }
    const isSpared = verdict?.isValid === true;
    const rated = isSpared
      ? undefined
      : { asker, network, nowMs, subject: subjectOf(outcome, query) };
    return this.#send(outcome, questionEnd, optLength, rated);
  }

  /** Adds the OPT record, counts, and applies the rate limit to UDP. */
  #send(
    outcome: Outcome,
    questionEnd: number,
    optLength: number,
    rated:
      | { readonly asker: Asker; readonly network: Prefix; readonly nowMs: number; subject: number }
      | undefined,
  ): number {
    if (rated?.asker.transport === 'udp') {
      const verdict = this.#limit.judge(rated.network.bytes, rated.subject, rated.nowMs);
      if (verdict === 'drop') {
        this.counts.limited_dropped++;
        return 0;
      }
      if (verdict === 'slip') {
        this.counts.limited_slipped++;
        this.#writer.rewind(questionEnd);
        this.#flags = (this.#flags & flag.RD) | flag.TC;
        this.#rcode = rcode.NOERROR;
      }
    }
    this.counts[outcome]++;
    if (optLength > 0) this.#writer.rawAdditional(this.#opt, optLength);
    return this.#writer.finish(this.#flags, this.#rcode, questionEnd > 12 ? 1 : 0);
  }

  /** Writes the answer's sections (RFC 1034 section 4.3.2) and says what kind it is. */
  #resolve(query: Query, network: Prefix): Outcome {
    const isMeta = query.type >= 128 && query.type <= 254;
    const zone =
      query.class === rrClass.IN && !isMeta && query.type !== rrType.OPT
        ? zoneOf(this.#table.zones, query.key)
        : undefined;
    if (!zone) {
      this.#rcode = rcode.REFUSED;
      return 'refused';
    }
    let key = query.key;
    let owner: WireName | undefined;
    // A chain of CNAMEs is followed inside the zone; its length ends loops.
    for (let links = 0; links < 8; links++) {
      const { node, found } = find(zone, key);
      if (node?.cut && !(node.cut === node && query.type === rrType.DS && found))
        return this.#refer(zone, node.cut);
      if (!node) {
        this.#flags |= flag.AA;
        this.#rcode = rcode.NXDOMAIN;
        this.#deny(zone, query);
        return 'nxdomain';
      }
      this.#flags |= flag.AA;
      const steered = found ? this.#table.steered.get(key) : undefined;
      const cname = node.sets.get(rrType.CNAME);
      if (cname && query.type !== rrType.CNAME && query.type !== rrType.ANY) {
        this.#writer.answer(cname, owner);
        const target = cname.data[0] ?? new Uint8Array(1);
        key = nameKey(target);
        owner = target;
        // A target elsewhere is the asker's to follow.
        if (zoneOf(this.#table.zones, key) !== zone) return 'answered';
        continue;
      }
      const set = this.#setOf(node, steered, query.type, network);
      if (set) this.#writer.answer(set, owner);
      else this.#deny(zone, query);
      if (set) return steered && isAddress(query.type) ? 'steered' : 'answered';
      return 'nodata';
    }
    return 'answered';
  }

  #setOf(
    node: ZoneNode,
    steered: SteeredSets | undefined,
    type: number,
    network: Prefix,
  ): RrSet | undefined {
    // One small answer that satisfies caches and amplifies nothing (RFC 8482 section 4.2).
    if (type === rrType.ANY) return steered || node.sets.size > 0 ? minimalAny : undefined;
    if (!steered || !isAddress(type)) return node.sets.get(type);
    const sets = type === rrType.A ? steered.a : steered.aaaa;
    return steer(sets, steered.nameHash, network, this.#table.steering);
  }

  #deny(zone: Zone, query: Query): void {
    // The question lies in the zone, so its tail is the apex: the owner is a pointer there.
    this.#writer.authority(zone.negativeSoa, query.key.length - zone.apex.length);
  }

  #refer(zone: Zone, cut: ZoneNode): Outcome {
    const servers = cut.sets.get(rrType.NS);
    if (!servers) return 'referral';
    this.#writer.authority(servers, cut.name);
    for (const server of servers.data) {
      const sets = zone.nodes.get(nameKey(server))?.sets;
      for (const type of [rrType.A, rrType.AAAA]) {
        const glue = sets?.get(type);
        // Glue that does not fit makes the answer truncated (RFC 9471).
        if (glue) this.#writer.additional(glue, server);
      }
    }
    return 'referral';
  }

  /** Writes the OPT record (RFC 6891 section 6.1) and returns its length: 11 octets and the options. */
  #writeOpt(
    wantsDnssec: boolean,
    extendedRcode: number,
    edns?: Edns,
    scope = 0,
    cookie?: Uint8Array,
  ): number {
    const opt = this.#opt;
    opt.fill(0, 0, 11);
    opt[2] = rrType.OPT;
    opt[3] = udpAnswerMax >> 8;
    opt[4] = udpAnswerMax & 0xff;
    opt[5] = extendedRcode;
    if (wantsDnssec) opt[7] = dnssecOk >> 8;
    let at = 11;
    const subnet = edns?.subnet?.prefix;
    if (subnet) {
      const octets = (subnet.length + 7) >> 3;
      opt.set([0, ednsOption.CLIENT_SUBNET, 0, 4 + octets, 0, subnet.family === 4 ? 1 : 2], at);
      opt.set([subnet.length, scope], at + 6);
      opt.set(subnet.bytes.subarray(0, octets), at + 8);
      at += 8 + octets;
    }
    if (cookie) {
      opt.set([0, ednsOption.COOKIE, 0, cookie.length], at);
      opt.set(cookie, at + 4);
      at += 4 + cookie.length;
    }
    opt[10] = at - 11;
    return at;
  }
}

/** The deepest zone at or above the name with this key. */
export function zoneOf(zones: AnswerTable['zones'], key: string): Zone | undefined {
  for (let at: string | undefined = key; at !== undefined; at = parentKey(at)) {
    const zone = zones.get(at);
    if (zone) return zone;
  }
  return undefined;
}

/**
 * The node that answers for a name: itself, the wildcard below its closest encloser (RFC 4592), or, for a
 * name below a delegation, a node that knows the cut. `found` tells that it is the name itself.
 */
function find(zone: Zone, key: string) {
  const exact = zone.nodes.get(key);
  if (exact) return { node: exact, found: true };
  for (let at = parentKey(key); at !== undefined; at = parentKey(at)) {
    const encloser = zone.nodes.get(at);
    if (!encloser) continue;
    const node = encloser.cut ? encloser : zone.nodes.get(`\u0001*${at}`);
    return { node, found: false };
  }
  return { node: undefined, found: false };
}

/** Unlike answers are limited apart; failures are all one, or random names would never meet a limit. */
function subjectOf(outcome: Outcome, { key, type }: Query): number {
  const isNamed = outcome === 'answered' || outcome === 'steered' || outcome === 'nodata';
  return isNamed ? fnv1aText(key, type) : outcomes.indexOf(outcome);
}

const isAddress = (type: number): boolean => type === rrType.A || type === rrType.AAAA;

/** HINFO "RFC8482" "", for an hour. */
export const minimalAny: RrSet = makeSet([
  {
    type: rrType.HINFO,
    ttl: 3600,
    data: Uint8Array.of(7, ...Array.from('RFC8482', (c) => c.charCodeAt(0)), 0),
  },
]);

/** The whole of an address as the prefix that plans are looked up by. */
export function addressOf(bytes: Uint8Array): Address {
  const isMapped =
    bytes.length === 16 &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff &&
    !bytes.subarray(0, 10).some(Boolean);
  const own = isMapped ? bytes.subarray(12) : bytes;
  return makePrefix(own.length === 4 ? 4 : 6, own, own.length * 8);
}
