/** Commands at any of several units: which one answers them, and how an order reaches all. */
import type { Answer, ControlError, StatusView } from '../../control/index.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import { type ClockRequest, monotonicUs } from './half-sessions.ts';
import type { Joint } from './joint.ts';
import type { Orders } from './orders.ts';
import type { PairRequest } from './pair.ts';
import { wholeStatus } from './whole-status.ts';

/** About the whole network, and the leader has that at first hand. */
const ofLeader = new Set(['links', 'blocks', 'plan', 'explain', 'cycle', 'units']);
/** Of a pair one decides over outbound traffic for both, and knows why. */
const ofPair = new Set(['destinations', 'explain_destination']);
/** Only the leader can carry them out. */
const byLeader = new Set(['approve']);
const byAll = new Set(['withdraw', 'resume']);
/** An answer with months of samples may take long; whoever asks waits, nobody else does. */
const patienceMs = 10_000;
const orderPatienceMs = 3000;
/** Whoever asks for the status wants to know soon who does not answer. */
const statusPatienceMs = 1000;

type Answers = ReadonlyMap<string, Answer>;

/** What goes between units. Plain JSON. */
type Request =
  | { readonly command: string; readonly args: Readonly<Record<string, unknown>> }
  | { readonly orders: Orders }
  | ClockRequest
  | PairRequest;

export interface OneFaceParts {
  readonly joint: Joint;
  /** What this unit itself answers. */
  readonly answers: Answers;
  /** What operators took back here by now. */
  readonly ordersHere: () => Omit<Orders, 'serial'>;
}

/** The commands as a person may give them at this unit: some answered here, some by another, some by all. */
export function oneFace(parts: OneFaceParts): Answers {
  return new Map(
    [...parts.answers].map(([command, answer]): [string, Answer] => [
      command,
      (args) => answerAs(parts, command, answer, args),
    ]),
  );
}

/** Answers what another unit asks of this one. */
export async function answerUnit(
  { joint, answers }: Pick<OneFaceParts, 'joint' | 'answers'>,
  body: unknown,
): Promise<Result<unknown, ControlError>> {
  // A cast: from a peer of the same protocol version that authenticated.
  const request = body as Request;
  if ('orders' in request) {
    joint.hearOrders(request.orders);
    return ok({});
  }
  if ('pair' in request) return ok(joint.pair?.hear(request.pair));
  if ('clock' in request) return ok({ clock_us: monotonicUs() });
  const answer = answers.get(request.command);
  if (!answer)
    return err({ code: 'unknown_command', message: `unknown command ${request.command}` });
  return await answer(request.args);
}

async function answerAs(
  parts: OneFaceParts,
  command: string,
  answer: Answer,
  { unit, ...args }: Readonly<Record<string, unknown>>,
): Promise<Result<unknown, ControlError>> {
  const { joint } = parts;
  const { cluster } = joint;
  if (unit !== undefined) {
    const own = byAll.has(command) ? { ...args, alone: true } : args;
    if (unit === cluster.unit) return await answer(own);
    if (typeof unit !== 'string' || !joint.units.includes(unit))
      return refuse(
        'not_found',
        `there is no unit ${String(unit)}; there are ${joint.units.join(', ')}`,
      );
    return await ask(joint, unit, command, own);
  }
  if (command === 'status') return await statusOfAll(joint, answer, args);
  if (byAll.has(command)) return await orderAll(parts, answer, args);
  const decider = joint.pair?.decider;
  if (ofPair.has(command) && decider !== undefined && decider !== cluster.unit)
    return await askOr(joint, decider, command, args, answer);
  const isForLeader = ofLeader.has(command) || byLeader.has(command);
  if (!isForLeader || joint.leads) return await answer(args);
  const leader = cluster.leader();
  if (byLeader.has(command)) {
    return leader === undefined
      ? refuse('refused', 'no unit leads at the moment: nothing can be approved')
      : await ask(joint, leader, command, args);
  }
  // What this unit knows by itself is better than nothing; status says that no leader is heard.
  if (leader === undefined) return await answer(args);
  return await askOr(joint, leader, command, args, answer);
}

/** Another unit's answer; where there is none, this one's. */
async function askOr(
  joint: Joint,
  unit: string,
  command: string,
  args: Readonly<Record<string, unknown>>,
  answer: Answer,
): Promise<Result<unknown, ControlError>> {
  const told = await ask(joint, unit, command, args);
  return told.ok || told.error.code !== 'failed' ? told : await answer(args);
}

/** Of those that are heard; who is silent is among the reasons. */
async function statusOfAll(
  joint: Joint,
  answer: Answer,
  args: Readonly<Record<string, unknown>>,
): Promise<Result<unknown, ControlError>> {
  const own = await answer(args);
  if (!own.ok || !joint.cluster.isConnected()) return own;
  const others = joint.cluster.membership().live.filter((unit) => unit !== joint.cluster.unit);
  const told = await Promise.all(
    others.map(async (unit) => {
      const view = await ask(joint, unit, 'status', args, statusPatienceMs);
      // A cast: what a unit of the same protocol version answers.
      return { unit, view: view.ok ? (view.value as StatusView) : undefined };
    }),
  );
  // The same cast, of what this unit answers itself.
  return ok(wholeStatus(own.value as StatusView, told));
}

async function ask(
  { cluster }: Joint,
  unit: string,
  command: string,
  args: Readonly<Record<string, unknown>>,
  timeoutMs = patienceMs,
): Promise<Result<unknown, ControlError>> {
  const request: Request = { command, args };
  const answer = await cluster.ask(unit, request, timeoutMs);
  if (!answer.ok) return refuse('failed', answer.error);
  // A cast: what answerUnit gave there.
  return answer.value as Result<unknown, ControlError>;
}

/** Here at once, whatever the network does; then everywhere that can be reached, and in the plan for the rest. */
async function orderAll(
  { joint, ordersHere }: OneFaceParts,
  answer: Answer,
  args: Readonly<Record<string, unknown>>,
): Promise<Result<unknown, ControlError>> {
  const done = await answer(args);
  if (!done.ok) return done;
  const request: Request = { orders: joint.note(ordersHere()) };
  joint.changed();
  const others = joint.units.filter((unit) => unit !== joint.cluster.unit);
  const answers = await Promise.all(
    others.map((unit) => joint.cluster.ask(unit, request, orderPatienceMs)),
  );
  const unreached = others.filter((_, i) => answers[i]?.ok !== true);
  // A cast: the answers of these commands are objects.
  return ok({ ...(done.value as object), unreached });
}

const refuse = (code: ControlError['code'], message: string) =>
  err<ControlError>({ code, message });
