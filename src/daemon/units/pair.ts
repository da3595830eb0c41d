/**
 * Outbound where two units have the same routers: one of them decides, and both carry out the same. Which one is agreed
 * by what each tells the other in every cycle; both reckon it from the same words. Who decides changes nothing: the other
 * has all that is in force.
 */
import type { Cluster } from '../../cluster/index.ts';
import { agedLink, type Pairing } from '../../core/model/merge.ts';
import type { OutboundInForce, OutboundMeasure, PairRole } from '../outbound/shared.ts';

/** What each tells the other in a cycle. Plain JSON. */
export interface PairWord {
  readonly decides: boolean;
  /** It decided, or followed, and has not let go since: what it has in force is what both had. */
  readonly knows: boolean;
  /** The routers tell it their paths. */
  readonly isTold: boolean;
  /** It has measured for an averaging time. */
  readonly isSettled: boolean;
  readonly inForce: OutboundInForce;
  readonly measured?: OutboundMeasure;
}

export interface PairRequest {
  readonly pair: PairWord;
}

/** What a unit says of itself; the pair adds what came of it. */
export type OwnWord = Omit<PairWord, 'decides' | 'knows'>;

const patienceMs = 1000;

export class Pair {
  readonly partner: string;
  readonly pairing: Pairing;
  readonly #cluster: Pick<Cluster, 'unit' | 'ask' | 'standing' | 'membership'>;
  readonly #isFirst: boolean;
  readonly #holdMs: number;
  readonly #now: () => number;
  readonly #count: (name: string) => void;
  readonly #begunMs: number;
  #wasLed = false;
  #knows = false;
  #role: PairRole = 'keeps';
  #own: OwnWord = { isTold: false, isSettled: false, inForce: { detours: [], disproved: [] } };
  #heard: { readonly word: PairWord; readonly atMs: number } | undefined;
  #onWord: (inForce: OutboundInForce) => void = () => undefined;

  /** `units`: the two, in the order of the settings. */
  constructor(
    cluster: Pick<Cluster, 'unit' | 'ask' | 'standing' | 'membership'>,
    { units, pairing }: { readonly units: readonly [string, string]; readonly pairing: Pairing },
    {
      holdMs,
      now,
      count,
    }: {
      readonly holdMs: number;
      readonly now: () => number;
      readonly count: (name: string) => void;
    },
  ) {
    this.#cluster = cluster;
    this.#isFirst = units[0] === cluster.unit;
    this.partner = units[this.#isFirst ? 1 : 0];
    this.pairing = pairing;
    this.#holdMs = holdMs;
    this.#now = now;
    this.#count = count;
    this.#begunMs = now();
  }

  /** As of the last `take`. */
  get role(): PairRole {
    return this.#role;
  }
  /** Which of the two decides; undefined while nobody does. */
  get decider(): string | undefined {
    if (this.#role === 'decides') return this.#cluster.unit;
    return this.#role === 'follows' ? this.partner : undefined;
  }

  /** Called with what the partner has in force: when this unit begins, and while it follows. */
  follow(onWord: (inForce: OutboundInForce) => void): void {
    this.#onWord = onWord;
  }

  /** What to do in this cycle. */
  take(own: OwnWord): PairRole {
    this.#own = own;
    this.#role = this.#judge();
    if (this.#role === 'decides') this.#knows = true;
    if (this.#role === 'lets_go') this.#knows = false;
    return this.#role;
  }

  /** What the partner measured, as old as it is now. */
  get theirs(): OutboundMeasure | undefined {
    const { word, atMs } = this.#heard ?? {};
    if (!word?.measured || atMs === undefined) return undefined;
    const olderMs = this.#now() - atMs;
    const { measured } = word;
    return {
      ...measured,
      ageMs: measured.ageMs + olderMs,
      links: measured.links.map((link) => agedLink(link, olderMs)),
    };
  }

  /** Tells the partner, and hears it. */
  async tell(own: OwnWord): Promise<void> {
    this.#own = own;
    const request: PairRequest = { pair: this.#word };
    const answer = await this.#cluster.ask(this.partner, request, patienceMs);
    if (!answer.ok) this.#count('pair_unanswered');
    // A partner that answers and says nothing steers no outbound traffic.
    else this.#take(wordIn(answer.value) ?? silent);
  }

  /** The partner's word; the answer is this unit's. */
  hear(word: PairWord): PairWord {
    this.#take(word);
    return this.#word;
  }

  get #word(): PairWord {
    return { ...this.#own, decides: this.#role === 'decides', knows: this.#knows };
  }

  #take(word: PairWord): void {
    this.#heard = { word, atMs: this.#now() };
    const role = this.#judge();
    // Two that both decided while they could not hear each other: one of them ends it at once.
    if (role === 'follows') this.#role = role;
    // Who begins goes on from what is in force, whoever decides next.
    const begins = !this.#knows && word.knows;
    if (!begins && !(role === 'follows' && word.decides)) return;
    this.#knows = true;
    this.#onWord(word.inForce);
  }

  #judge(): PairRole {
    const { partner } = this;
    const standing = this.#cluster.standing();
    if (standing === 'led') this.#wasLed = true;
    if (standing === 'released') {
      // Before it was ever led, what wires and routers have is from the run before.
      if (!this.#wasLed && this.#now() - this.#begunMs < this.#holdMs) return 'keeps';
      // What comes next is the partner's.
      this.#heard = undefined;
      return 'lets_go';
    }
    const { frozen, gone } = this.#cluster.membership();
    if (gone.includes(partner)) {
      this.#heard = undefined;
      return 'decides';
    }
    // What a silent unit told the routers stays as it is: it may be cut off and alive.
    if (standing === 'holding' || frozen.includes(partner) || !this.#heard) return 'keeps';
    const { word } = this.#heard;
    if (this.#beats(word)) {
      // Half of the traffic is no ground to decide on.
      return this.pairing === 'parallel' && !word.isSettled ? 'keeps' : 'decides';
    }
    return 'follows';
  }

  #beats(theirs: PairWord): boolean {
    const own = this.#word;
    for (const key of ['isTold', 'isSettled', 'decides'] as const)
      if (own[key] !== theirs[key]) return own[key];
    return this.#isFirst;
  }
}

const silent: PairWord = {
  decides: false,
  knows: false,
  isTold: false,
  isSettled: true,
  inForce: { detours: [], disproved: [] },
};

/** Peers are authenticated and of one protocol version: what is looked at is whether it takes part. */
function wordIn(value: unknown): PairWord | undefined {
  // A cast: what `answerUnit` gave there.
  const { value: told } = (value ?? {}) as { readonly value?: PairWord | null };
  return told ?? undefined;
}
