import { covers, formatPrefix, makePrefix, type Prefix } from '../core/base/prefix.ts';
import type { PrefixText } from '../core/base/units.ts';
import type { UnicastFamily } from '../core/wire/bgp/codes.ts';

/** Whether a route touches our own networks, asked for every route of a table that comes in. */
export class OwnSpace {
  readonly #networks: readonly Prefix[];
  /** By first octet: whether a network of ours may be there. Nearly every route ends here. */
  readonly #firstOctets = { 4: new Uint8Array(256), 6: new Uint8Array(256) } as const;

  /** Prefixes within our networks that some router has a path to. */
  readonly #told = new Map<PrefixText, Prefix>();

  constructor(networks: readonly Prefix[]) {
    this.#networks = networks;
    for (const { family, bytes, length } of networks) {
      const first = bytes[0] ?? 0;
      const others = length >= 8 ? 0 : 0xff >> length;
      for (let octet = first; octet <= first + others; octet++)
        this.#firstOctets[family][octet] = 1;
    }
  }

  get prefixes(): readonly Prefix[] {
    return [...this.#told.values()];
  }

  /** A route that touches our networks has changed; those that only cover them are not kept. */
  note(prefix: Prefix, hasPaths: boolean): void {
    if (!this.#networks.some((network) => covers(network, prefix))) return;
    if (hasPaths) this.#told.set(formatPrefix(prefix), prefix);
    else this.#told.delete(formatPrefix(prefix));
  }

  /** The route at `bytes[at]` is inside a network of ours, or covers one. */
  touches(family: UnicastFamily, bytes: Uint8Array, at: number, length: number): boolean {
    if (length >= 8 && this.#firstOctets[family][bytes[at] ?? 0] === 0) return false;
    const prefix = readPrefix(family, bytes, at, length);
    return this.#networks.some((network) => covers(network, prefix) || covers(prefix, network));
  }
}

/** The prefix whose octets are at `bytes[at]`. */
export function readPrefix(
  family: UnicastFamily,
  bytes: Uint8Array,
  at: number,
  length: number,
): Prefix {
  const address = new Uint8Array(family === 4 ? 4 : 16);
  address.set(bytes.subarray(at, at + ((length + 7) >> 3)));
  return makePrefix(family, address, length);
}
