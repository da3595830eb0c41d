import { SequenceTracker } from './sequence.ts';
import type { FlowTally } from './tally.ts';
import type { Template } from './template.ts';

/** Bounds on what one exporter can make us remember. */
export interface FlowLimits {
  /** Observation domains (v9: source ids; v5: engines; sFlow: sub-agents) of one exporter. */
  readonly domains: number;
  /** Templates of one exporter, all domains together. */
  readonly templates: number;
  readonly samplersPerDomain: number;
  /** A template not repeated for this long is forgotten (RFC 7011 section 8.4 for UDP). */
  readonly templateLifetimeMs: number;
}

export const defaultLimits: FlowLimits = {
  domains: 64,
  templates: 512,
  samplersPerDomain: 256,
  templateLifetimeMs: 30 * 60_000,
};

/** What is known of one observation domain of one exporter. */
export class Domain {
  readonly sequence = new SequenceTracker();
  readonly templates = new Map<number, Template>();
  /** Sampling rate by sampler or selector id. */
  readonly samplers = new Map<number, number>();
  /** Sampling rate of the whole domain; 0 while not announced. */
  samplingRate = 0;
  /** Milliseconds of uptime in the last header, to notice a restart. */
  uptimeMs = 0;

  forget(): void {
    this.templates.clear();
    this.samplers.clear();
    this.samplingRate = 0;
    this.sequence.forget();
  }
}

/** The domains of one exporter, bounded. */
export class DomainTable {
  readonly #domains = new Map<string, Domain>();
  readonly #limits: FlowLimits;
  readonly #tally: FlowTally;

  constructor(limits: FlowLimits, tally: FlowTally) {
    this.#limits = limits;
    this.#tally = tally;
  }

  /** `undefined` when the exporter has used up its domains; counted. */
  domain(key: string): Domain | undefined {
    const known = this.#domains.get(key);
    if (known) return known;
    if (this.#domains.size >= this.#limits.domains) {
      this.#tally.skipped.domain_table_full++;
      return undefined;
    }
    const made = new Domain();
    this.#domains.set(key, made);
    return made;
  }

  /** Stores a template, or counts why not. Repetition only renews it. */
  learn(domain: Domain, template: Template): void {
    const known = domain.templates.get(template.id);
    if (known?.fingerprint === template.fingerprint && known.isOptions === template.isOptions) {
      known.seenMs = template.seenMs;
      return;
    }
    if (known) this.#tally.templatesRedefined++;
    else if (this.#templateCount() >= this.#limits.templates) {
      this.#expire(template.seenMs);
      if (this.#templateCount() >= this.#limits.templates) {
        this.#tally.skipped.template_table_full++;
        return;
      }
    }
    this.#tally.templates++;
    domain.templates.set(template.id, template);
  }

  /** The template in force, unless its lifetime is over. */
  template(domain: Domain, id: number, nowMs: number): Template | undefined {
    const template = domain.templates.get(id);
    if (!template) return undefined;
    if (nowMs - template.seenMs <= this.#limits.templateLifetimeMs) return template;
    domain.templates.delete(id);
    this.#tally.templatesExpired++;
    return undefined;
  }

  learnSampler(domain: Domain, id: number, rate: number): void {
    if (!domain.samplers.has(id) && domain.samplers.size >= this.#limits.samplersPerDomain) {
      this.#tally.skipped.sampler_table_full++;
      return;
    }
    domain.samplers.set(id, rate);
  }

  #templateCount(): number {
    let count = 0;
    for (const domain of this.#domains.values()) count += domain.templates.size;
    return count;
  }

  #expire(nowMs: number): void {
    for (const domain of this.#domains.values()) {
      for (const [id, template] of domain.templates) {
        if (nowMs - template.seenMs <= this.#limits.templateLifetimeMs) continue;
        domain.templates.delete(id);
        this.#tally.templatesExpired++;
      }
    }
  }
}
