/**
 * Contenders in turn, round by round: a shared machine's speed changes twofold within minutes, so that only what was
 * measured within the same seconds may be compared. All of them stand beside each other until the bench ends.
 */
import { Border, outsideAddress, until } from '../../wire/border.ts';
import type { Contender, Setting } from './contenders.ts';
import type { Figures, Standing } from './measure.ts';

/** One measurement of every contender that can take part, as often as there are rounds. */
export interface Phase {
  readonly rounds: number;
  /** Those that later rounds are for too; the first one is for all. Everybody, when it is left out. */
  readonly judged?: readonly string[];
  readonly takes?: (contender: Contender) => boolean;
  /** Once for each contender, whether it takes part or not, before the first round. */
  readonly prepare?: (standing: Standing) => void | Promise<void>;
  readonly measure: (standing: Standing) => Promise<Figures>;
}

export class Rounds {
  readonly #standing: Standing[] = [];
  /** By contender and unit, then by round. */
  readonly #values = new Map<string, Map<number, number>>();
  /** What was left out, and why. */
  readonly notes: string[] = [];

  /** Starts a contender on a border of its own, or notes why it cannot take part. */
  async stand(contender: Contender, setting: Setting): Promise<void> {
    const border = new Border(`hgwb${this.#standing.length}`, { isQuiet: true });
    const standing = { contender, border, setting };
    this.#standing.push(standing);
    try {
      // The generator's frames carry no buffer: the first port must be ready for that. The same for all.
      border.run('unit', 'ethtool', '-K', 'in0', 'gro', 'on');
      if (contender.isXdp) border.fitPeers();
      await contender.start(border, setting);
      if (contender.isBare) border.run('outside', 'ethtool', '-K', 'o0', 'gro', 'on');
      const reaches = () => border.runAside('inside', 'ping', '-c', '1', '-W', '1', outsideAddress);
      await until('packets pass', reaches, (text) => text.includes(' 0% packet loss'));
    } catch (error) {
      this.#leave(standing, error);
    }
  }

  async run(phase: Phase): Promise<void> {
    const { rounds, judged, takes = () => true, prepare, measure } = phase;
    for (const standing of [...this.#standing]) {
      try {
        await prepare?.(standing);
      } catch (error) {
        this.#leave(standing, error);
      }
    }
    for (let round = 0; round < rounds; round++) {
      const present = this.#standing.filter(
        ({ contender }) =>
          takes(contender) && (round === 0 || (judged?.includes(contender.name) ?? true)),
      );
      // There and back: a machine that grows slower all the time favours nobody.
      for (const standing of round % 2 === 0 ? present : present.reverse())
        await this.#measure(standing, measure, round);
    }
  }

  async #measure(standing: Standing, measure: Phase['measure'], round: number): Promise<void> {
    const { name } = standing.contender;
    try {
      for (const [unit, value] of Object.entries(await measure(standing))) {
        const key = keyOf(name, unit);
        const values = this.#values.get(key) ?? new Map<number, number>();
        this.#values.set(key, values.set(round, value));
      }
    } catch (error) {
      const note = `${name}: a measurement failed: ${messageOf(error)}`;
      if (!this.notes.includes(note)) this.notes.push(note);
    }
  }

  /** One value of each round. */
  of(contender: string, unit: string): readonly number[] {
    return [...(this.#values.get(keyOf(contender, unit))?.values() ?? [])];
  }

  /** `join` of both contenders' values of each round that has both. */
  compare(
    unit: string,
    a: string,
    b: string,
    join: (a: number, b: number) => number,
  ): readonly number[] {
    const others = this.#values.get(keyOf(b, unit));
    return [...(this.#values.get(keyOf(a, unit)) ?? [])].flatMap(([round, value]) => {
      const other = others?.get(round);
      return other === undefined ? [] : [join(value, other)];
    });
  }

  close(): void {
    for (const standing of this.#standing.splice(0)) stop(standing);
  }

  #leave(standing: Standing, error: unknown): void {
    this.notes.push(`${standing.contender.name} skipped: ${messageOf(error)}`);
    this.#standing.splice(this.#standing.indexOf(standing), 1);
    stop(standing);
  }
}

function stop({ contender, border, setting }: Standing): void {
  contender.stop?.(border, setting);
  border.close();
}

const keyOf = (contender: string, unit: string): string => `${contender}\n${unit}`;

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
