/** When blocks are divided anew, and what is remembered of it. Changes nothing by itself: the unit carries it out. */
import { covers, prefixOf } from '../core/base/prefix.ts';
import type { PrefixText } from '../core/base/units.ts';
import type { Policy, State } from '../core/decide/index.ts';
import { type Division, type Regrouped, type Regrouping, regroup } from '../core/decide/regroup.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import { coverageOf } from './money/block-usage.ts';

const hourMs = 3_600_000;
/** Usage of which less than this share was measured says nothing of who is heavy. */
const enoughCoverage = 0.8;
const changesKept = 50;

export interface KeptRegrouping extends Regrouping {
  readonly at: number;
}

export class RegroupWatch {
  /** Blocks as the settings file has them. */
  #configured: Settings['blocks'];
  /** Usage is taken since then. */
  #since: number | undefined;
  #turns = 0;
  #coverage = 0;
  #rates = new Map<PrefixText, number>();
  #changes: readonly KeptRegrouping[] = [];

  constructor(configured: Settings['blocks']) {
    this.#configured = configured;
  }

  /** The latest changes, newest first. */
  get changes(): readonly KeptRegrouping[] {
    return this.#changes;
  }

  /** Settings were read anew: where the file has the same blocks, their present division stays. */
  adopt(settings: Settings, present: Settings['blocks']): Settings {
    const isSame = JSON.stringify(settings.blocks) === JSON.stringify(this.#configured);
    this.#configured = settings.blocks;
    return isSame && settings.regroup ? { ...settings, blocks: present } : settings;
  }

  /** Takes one turn's observation in; gives what to change where it is time for that, undefined for nothing. */
  look(
    observation: Observation,
    settings: Settings,
    policy: Policy,
    state: State,
  ): Regrouped | undefined {
    const { regroup: rules, timeScale, blocks, steering } = settings;
    if (!rules) return undefined;
    const { at } = observation;
    this.#since ??= at;
    this.#turns++;
    this.#coverage += coverageOf(observation);
    for (const { block, inbound } of observation.blocks) {
      const rate = inbound.reduce((sum, entry) => sum + entry.rate, 0);
      this.#rates.set(block, (this.#rates.get(block) ?? 0) + rate);
    }
    if (at - this.#since < (rules.interval ?? hourMs / timeScale)) return undefined;
    const isMeasured = this.#coverage >= enoughCoverage * this.#turns && !state.frozen;
    const turns = this.#turns;
    const usage = new Map(
      blocks.map(({ prefix }) => [prefix, (this.#rates.get(prefix) ?? 0) / turns]),
    );
    this.#begin(at);
    if (!isMeasured) return undefined;
    const regrouped = regroup({
      configured: this.#configured,
      present: blocks,
      usage,
      policy,
      state,
      regroup: { heavy: rules.heavy, light: rules.light, floor: steering.floor },
    });
    if (regrouped.changes.length === 0) return undefined;
    const kept = regrouped.changes.map((change) => ({ ...change, at }));
    this.#changes = [...kept.reverse(), ...this.#changes].slice(0, changesKept);
    return regrouped;
  }

  #begin(at: number): void {
    this.#since = at;
    this.#turns = 0;
    this.#coverage = 0;
    this.#rates = new Map();
  }
}

/** The settings with the blocks as an earlier run had divided them, if that still is a division of these. */
export function withDivision(
  settings: Settings,
  divisions: readonly Division[] | undefined,
): Settings {
  if (!settings.regroup || !divisions) return settings;
  if (!isDivisionOf(settings.blocks, divisions)) return settings;
  const groups = new Map(settings.blocks.map(({ prefix, group }) => [prefix, group]));
  // The file's word on groups is the last.
  const blocks = divisions.map((division) => {
    const named = groups.get(division.prefix);
    return named === undefined ? division : { ...division, group: named };
  });
  return { ...settings, blocks };
}

/** Whether `parts` cover each of `wholes` exactly; both stand in the order of their addresses. */
function isDivisionOf(wholes: readonly Division[], parts: readonly Division[]): boolean {
  let next = 0;
  for (const { prefix } of wholes) {
    const whole = prefixOf(prefix);
    let covered = 0;
    for (; next < parts.length; next++) {
      const part = prefixOf(parts[next]?.prefix ?? prefix);
      if (!covers(whole, part)) break;
      covered += 2 ** (whole.length - part.length);
    }
    if (covered !== 1) return false;
  }
  return next === parts.length;
}
