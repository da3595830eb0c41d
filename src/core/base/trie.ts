import { type Address, bitAt, type Prefix } from './prefix.ts';

interface Node<V> {
  value: V | undefined;
  readonly children: [Node<V> | undefined, Node<V> | undefined];
}

/**
 * Longest-prefix match over prefixes of both families: a plain binary trie.
 * For settings and thousands of entries; millions live in the packed tables of bgp and native.
 */
export class PrefixTrie<V> {
  readonly #roots: Record<4 | 6, Node<V>> = { 4: makeNode(), 6: makeNode() };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  set(prefix: Prefix, value: V): void {
    let node = this.#roots[prefix.family];
    for (let depth = 0; depth < prefix.length; depth++) {
      const side = bitAt(prefix.bytes, depth);
      node.children[side] ??= makeNode();
      node = node.children[side];
    }
    if (node.value === undefined) this.#size++;
    node.value = value;
  }

  get(prefix: Prefix): V | undefined {
    let node: Node<V> | undefined = this.#roots[prefix.family];
    for (let depth = 0; node && depth < prefix.length; depth++) {
      node = node.children[bitAt(prefix.bytes, depth)];
    }
    return node?.value;
  }

  /** Removes the value; empty nodes stay, since a table that shrinks is replaced whole. */
  delete(prefix: Prefix): boolean {
    let node: Node<V> | undefined = this.#roots[prefix.family];
    for (let depth = 0; node && depth < prefix.length; depth++) {
      node = node.children[bitAt(prefix.bytes, depth)];
    }
    if (node?.value === undefined) return false;
    node.value = undefined;
    this.#size--;
    return true;
  }

  /** The value of the longest prefix that covers `address` (or a prefix). */
  match(address: Address): V | undefined {
    let node: Node<V> | undefined = this.#roots[address.family];
    let best = node.value;
    for (let depth = 0; node && depth < address.length; depth++) {
      node = node.children[bitAt(address.bytes, depth)];
      if (node?.value !== undefined) best = node.value;
    }
    return best;
  }
}

function makeNode<V>(): Node<V> {
  return { value: undefined, children: [undefined, undefined] };
}
