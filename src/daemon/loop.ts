import { createHash } from 'node:crypto';
import type { Result } from '../core/base/result.ts';
import { err, ok } from '../core/base/result.ts';
import type { Sliced } from '../core/base/slices.ts';
import { ms, type PrefixText } from '../core/base/units.ts';
import { withdraw } from '../core/decide/carry-out.ts';
import { type Decision, decideSliced, type Policy, type State } from '../core/decide/index.ts';
import { type Division, redivide } from '../core/decide/regroup.ts';
import { shiftTimes } from '../core/decide/shift.ts';
import type { DecidedMove } from '../core/decide/state.ts';
import type { LinkObservation, Observation } from '../core/model/observation.ts';
import type { Plan } from '../core/model/plan.ts';
import type { Mode } from '../core/settings/index.ts';
import type { Cycle, Memory } from '../history/index.ts';

/** A plan that waits for approval. */
export interface Proposal {
  /** Names exactly these moves: an approval of others is refused. */
  readonly id: string;
  readonly at: number;
  readonly decision: Decision;
}

export interface LoopOptions {
  readonly mode: Mode;
  readonly policy: Policy;
  /** Where the last run ended; its plan is announced at once, so that a restart changes nothing. */
  readonly initial: Omit<Memory, 'at'>;
  /** Carries the plan out, by what is known of the links. Undefined: nothing is to be announced. */
  readonly act: (plan: Plan | undefined, links: readonly LinkObservation[]) => void;
  /** Told of every turn, after it acted. */
  readonly onCycle: (cycle: Cycle) => void;
  /** Told of moves that an operator made between turns. */
  readonly onMoves: (moves: readonly DecidedMove[], mode: Mode) => void;
}

/** The latest moves that are kept in memory for `plan` and `status`; history has all. */
const movesKept = 500;

/**
 * The decision's memory and what becomes of it by mode. Knows no clock and no socket: `turn` is called with an
 * observation, and whatever is to be announced goes to `act`.
 */
export class Loop {
  readonly #options: LoopOptions;
  #mode: Mode;
  #policy: Policy;
  #state: State;
  #inForce: Plan | undefined;
  #proposal: Proposal | undefined;
  #last: Cycle | undefined;
  #moves: readonly DecidedMove[] = [];
  #stopped: readonly DecidedMove[] = [];
  #links: readonly LinkObservation[] = [];
  #isWithdrawn = false;
  #isAside = false;
  #isLetGo = false;
  #withheld: ReadonlySet<PrefixText> = new Set();
  #cycles = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#mode = options.mode;
    this.#policy = options.policy;
    this.#state = options.initial.state;
    this.#isWithdrawn = options.initial.isWithdrawn;
    this.#withheld = new Set(options.initial.withheld);
    this.#isAside = options.initial.isAside === true;
    if (this.#mode !== 'observe' && !this.#isWithdrawn) this.#inForce = options.initial.inForce;
    this.#act();
  }

  get mode(): Mode {
    return this.#mode;
  }
  get policy(): Policy {
    return this.#policy;
  }
  get state(): State {
    return this.#state;
  }
  /** The plan that is announced now; undefined while nothing is. */
  get inForce(): Plan | undefined {
    return this.#inForce;
  }
  get proposal(): Proposal | undefined {
    return this.#proposal;
  }
  get last(): Cycle | undefined {
    return this.#last;
  }
  /** Carried out, newest first, with the outcome as far as it is known. */
  get moves(): readonly DecidedMove[] {
    return this.#moves;
  }
  /** Stopped by a rail in the last turn. */
  get stopped(): readonly DecidedMove[] {
    return this.#stopped;
  }
  get isWithdrawn(): boolean {
    return this.#isWithdrawn;
  }
  /** Of several units this one alone announces nothing; what it decides for the others goes on. */
  get isAside(): boolean {
    return this.#isAside;
  }
  /** By an operator's word nothing is announced here. */
  get isSilent(): boolean {
    return this.#isWithdrawn || this.#isAside;
  }
  /** What to remember over a restart. */
  get memory(): Omit<Memory, 'at'> {
    return {
      state: this.#state,
      isWithdrawn: this.#isWithdrawn,
      withheld: [...this.#withheld],
      ...(this.#isAside ? { isAside: true } : {}),
      ...(this.#inForce ? { inForce: this.#inForce } : {}),
    };
  }
  /** Blocks that an operator took back one by one. */
  get withheld(): ReadonlySet<PrefixText> {
    return this.#withheld;
  }
  /** What is known of the links that the plan in force goes by. */
  get links(): readonly LinkObservation[] {
    return this.#links;
  }
  get cycles(): number {
    return this.#cycles;
  }

  /** Decides on one observation and, as the mode allows, acts. */
  *turn(observation: Observation): Sliced<Cycle> {
    const cycle = yield* this.weigh(observation);
    this.conclude(cycle);
    return cycle;
  }

  /** What `turn` would do on an observation; nothing is changed by it. */
  *weigh(observation: Observation): Sliced<Cycle> {
    const { before, policy, decision } = yield* this.#decide(observation);
    const isCarriedOut = this.#mode === 'control' && !this.#isWithdrawn;
    return { observation, policy, before, decision, mode: this.#mode, isCarriedOut };
  }

  /** What the memory will be once a cycle is concluded. */
  afterwards({ decision, isCarriedOut }: Cycle): Pick<Memory, 'state' | 'inForce'> {
    const inForce = isCarriedOut ? decision.plan : this.#inForce;
    return {
      state: isCarriedOut ? decision.state : decision.held,
      ...(inForce ? { inForce } : {}),
    };
  }

  /** Does what was weighed. */
  conclude(cycle: Cycle): void {
    const { observation, decision, isCarriedOut } = cycle;
    this.#isLetGo = false;
    this.#links = observation.links;
    this.#cycles++;
    this.#noteOutcomes(decision);
    this.#stopped = decision.moves.filter((move) => move.outcome !== 'pending');
    if (isCarriedOut) {
      this.#carryOut(decision);
    } else {
      this.#state = decision.held;
      this.#propose(decision, observation);
      this.#act();
    }
    this.#last = cycle;
    this.#options.onCycle(cycle);
  }

  /** Goes by what another unit decided. */
  follow(
    { state, inForce }: Pick<Memory, 'state' | 'inForce'>,
    links: readonly LinkObservation[],
  ): void {
    this.#state = state;
    this.#inForce = this.#mode === 'observe' ? undefined : inForce;
    this.#links = links;
    this.#isLetGo = false;
    this.#proposal = undefined;
    this.#act();
  }

  /** Carries the plan in force out again: what may be announced of it has changed. */
  reannounce(): void {
    this.#act();
  }

  /** Announces nothing, and forgets nothing, until a turn or another unit's plan. */
  letGo(): void {
    this.#isLetGo = true;
    this.#act();
  }

  /** Carries out the waiting proposal, if it is (still) the one named. */
  approve(id: string | undefined): Result<Proposal, string> {
    const proposal = this.#proposal;
    if (this.#isWithdrawn) return err('announcements are withdrawn; run headgate resume first');
    if (this.#mode !== 'advise') return err(`nothing waits for approval in mode ${this.#mode}`);
    if (!proposal) return err('nothing waits for approval');
    if (id !== undefined && id !== proposal.id) {
      return err(`the proposal is now ${proposal.id}, not ${id}; look at headgate plan again`);
    }
    this.#carryOut(proposal.decision, 'approved');
    this.#proposal = undefined;
    return ok(proposal);
  }

  /** Takes everything back, or some blocks; stays so until `resume`. */
  withdraw(at: number, blocks: readonly PrefixText[] | undefined): void {
    const gone = new Set(blocks ?? this.#state.plan.blocks.map((entry) => entry.block));
    const entries = this.#state.plan.blocks.filter((entry) => gone.has(entry.block));
    const { state, moves } = withdraw(this.#state, entries, ms(at), 'withdrawn by the operator');
    this.#state = state;
    this.#keep(moves, 'approved');
    this.#options.onMoves(
      moves.map((move) => ({ ...move, outcome: 'approved' })),
      this.#mode,
    );
    if (blocks === undefined) {
      this.#isWithdrawn = true;
      this.#inForce = undefined;
    } else {
      this.#withheld = new Set([...this.#withheld, ...blocks]);
    }
    this.#proposal = undefined;
    this.#act();
  }

  /** Takes back what this unit announces, or announces it again, whatever is decided. */
  stepAside(isAside: boolean): void {
    this.#isAside = isAside;
    this.#act();
  }

  /** Lets announcements be made again from the next turn on. */
  resume(): void {
    this.#isWithdrawn = false;
    this.#withheld = new Set();
  }

  /** New settings; the plan in force stays, whatever it was made under. */
  adopt(mode: Mode, policy: Policy): void {
    if (mode !== 'control' && mode !== this.#mode) this.#inForce = undefined;
    this.#mode = mode;
    this.#policy = policy;
    this.#proposal = undefined;
    this.#act();
  }

  /** The clock by which observations are made was set: what is remembered was as long ago as before. */
  shift(byMs: number): void {
    this.#state = shiftTimes(this.#state, byMs);
    this.#proposal = undefined;
  }

  /** Blocks were cut or joined: what was decided for them goes on under their new names. */
  redivide(divisions: readonly Division[], at: number, policy: Policy): void {
    this.#state = redivide(this.#state, divisions, ms(at));
    if (this.#inForce) this.#inForce = this.#state.plan;
    this.#policy = policy;
    this.#proposal = undefined;
    this.#act();
  }

  *#decide(observation: Observation): Sliced<Pick<Cycle, 'before' | 'policy' | 'decision'>> {
    for (;;) {
      const [before, policy] = [this.#state, this.#policy];
      const decision = yield* decideSliced(observation, policy, before);
      // Unless a command or a reload came between the slices: what was decided then no longer holds.
      if (this.#state === before && this.#policy === policy) return { before, policy, decision };
    }
  }

  #carryOut(decision: Decision, outcome?: 'approved'): void {
    this.#state = decision.state;
    this.#inForce = decision.plan;
    const done = decision.moves.filter((move) => move.outcome === 'pending');
    this.#keep(done, outcome);
    if (outcome) this.#options.onMoves(done, this.#mode);
    this.#act();
  }

  #propose(decision: Decision, observation: Observation): void {
    const moves = decision.moves.filter((move) => move.outcome === 'pending');
    const isNews = moves.length > 0 || (!this.#inForce && decision.plan.blocks.length > 0);
    this.#proposal =
      this.#mode === 'advise' && !this.#isWithdrawn && isNews
        ? { id: proposalId(decision, moves), at: observation.at, decision }
        : undefined;
  }

  #act(): void {
    const plan = this.isSilent || this.#isLetGo ? undefined : this.#inForce;
    const blocks = plan?.blocks.filter((entry) => !this.#withheld.has(entry.block)) ?? [];
    this.#options.act(plan && { ...plan, blocks }, this.#links);
  }

  #keep(moves: readonly DecidedMove[], outcome?: 'approved'): void {
    const kept = outcome ? moves.map((move) => ({ ...move, outcome })) : moves;
    this.#moves = [...[...kept].reverse(), ...this.#moves].slice(0, movesKept);
  }

  /** What became of earlier moves: the newest of each block is the one that was judged. */
  #noteOutcomes(decision: Decision): void {
    for (const { block, outcome, sharePredicted, shareSeen } of decision.verifications) {
      const index = this.#moves.findIndex((move) => move.block === block);
      const judged = { predicted: sharePredicted, seen: shareSeen };
      this.#moves = this.#moves.map((move, i) =>
        i === index ? { ...move, outcome, judged } : move,
      );
    }
  }
}

/** The same moves have the same name in every turn, so that what a person read is what they approve. */
function proposalId(decision: Decision, moves: readonly DecidedMove[]): string {
  const what = moves.map(({ block, from, to, rung }) => [block, from ?? null, to ?? null, rung]);
  const blocks = decision.plan.blocks.map((entry) => entry.block);
  return createHash('sha256')
    .update(JSON.stringify([what, blocks]))
    .digest('hex')
    .slice(0, 8);
}
